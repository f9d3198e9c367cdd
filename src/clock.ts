import { setTimeout as sleep } from 'node:timers/promises';

/** Time, injectable so that tests can control it. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary origin: for durations and deadlines. */
  now(): number;
  /** The wall clock, which can be adjusted: for timestamps, never for durations or deadlines. */
  date(): Date;
  /** Resolves after `ms` milliseconds, or as soon as `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** At least 0 and less than 1. Adds jitter to pauses, so that instances do not retry in step. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  async sleep(ms, signal) {
    await sleep(ms, undefined, { signal }).catch((error: Error) => {
      if (error.name !== 'AbortError') throw error;
    });
  },
  random: Math.random,
};

const MAX_BACK_OFF_MS = 5000;

/**
 * How long to wait before trying again.
 *
 * @param firstMs doubles with each failure before this one, up to `mostMs`; half of it is jitter, so that instances do
 *    not retry in step
 */
export function backOffMs(
  firstMs: number,
  failuresBefore: number,
  clock: Pick<Clock, 'random'>,
  mostMs = MAX_BACK_OFF_MS,
): number {
  return Math.min(mostMs, firstMs * 2 ** failuresBefore) * (0.5 + clock.random() / 2);
}

/**
 * The result of `work`, or a rejection after `timeoutMs`. `work` is not cancelled; whatever it returns or throws later
 * is ignored.
 */
export function withDeadline<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: no answer within ${timeoutMs} ms`)), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
