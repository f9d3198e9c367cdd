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
