import type { Clock } from '../../src/clock.ts';

interface Sleeper {
  until: number;
  wake(): void;
}

interface HandClock extends Clock {
  /** Milliseconds of each sleep so far. */
  readonly sleeps: readonly number[];
  /** Lets time pass, and wakes who has slept for long enough. */
  advance(ms: number): void;
}

/** A clock that stands still until it is moved on. */
export function handClock({ random = 0 } = {}): HandClock {
  let now = 0;
  let sleepers: Sleeper[] = [];
  const sleeps: number[] = [];
  return {
    sleeps,
    now: () => now,
    date: () => new Date(now),
    random: () => random,
    async sleep(ms, signal) {
      sleeps.push(ms);
      if (signal?.aborted) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      sleepers.push({ until: now + ms, wake: resolve });
      signal?.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    },
    advance(ms) {
      now += ms;
      const due = sleepers.filter(({ until }) => until <= now);
      sleepers = sleepers.filter(({ until }) => until > now);
      for (const { wake } of due) wake();
    },
  };
}
