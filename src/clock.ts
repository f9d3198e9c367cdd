import { setTimeout as sleep } from 'node:timers/promises';

/** Time, as everything that is tested with another is given it. */
export interface Clock {
  /** Milliseconds that only move forward, from an arbitrary start: for durations and deadlines. */
  now(): number;
  /** The wall clock, which anybody may set: for timestamps, never for durations and deadlines. */
  date(): Date;
  /** Resolves after `ms` milliseconds, or as soon as `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** At least 0 and less than 1: spreads pauses, so that instances do not retry in step. */
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

/**
 * The result of `work`, or a rejection after `timeoutMs`. The work itself goes on; what it does after that is
 * dropped, its failure included.
 */
export function withDeadline<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: no answer within ${timeoutMs} ms`)), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
