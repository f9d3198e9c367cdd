import { setTimeout as sleep } from 'node:timers/promises';

/** Time as durations and deadlines need it. Setting the computer's clock changes nothing here. */
export interface Clock {
  /** Milliseconds that only move forward, from an arbitrary start. */
  now(): number;
  /** Resolves after `ms` milliseconds, or as soon as `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** At least 0 and less than 1: spreads pauses, so that instances do not retry in step. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    await sleep(ms, undefined, { signal }).catch((error: Error) => {
      if (error.name !== 'AbortError') throw error;
    });
  },
  random: Math.random,
};
