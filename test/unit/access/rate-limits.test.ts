import { describe, expect, it, vi } from 'vitest';
import type { ApiKey } from '../../../src/access/api-keys.ts';
import { RateLimits } from '../../../src/access/rate-limits.ts';
import type { ApiError } from '../../../src/errors.ts';
import { stopClock } from '../../support/stopped-clock.ts';

function caller(name: string, eventsPerSecond?: number): ApiKey {
  return { name, sha256: name, scopes: ['write'], ...(eventsPerSecond && { eventsPerSecond }) };
}

/** The seconds to wait that a refusal says; undefined where there is none. */
function refusal(call: () => unknown): number | undefined {
  try {
    call();
  } catch (error) {
    expect((error as ApiError).code).toBe('rate_limited');
    return (error as ApiError).retryAfterS;
  }
  return undefined;
}

describe('limits of events a second', () => {
  it('are there for all together, for a caller, or not at all', () => {
    const none = new RateLimits(0);
    expect([none.applyTo(undefined), none.applyTo(caller('a')), none.applyTo(caller('a', 1))]).toEqual([
      false,
      false,
      true,
    ]);
    expect(none.take(undefined, 1e9)).toBeUndefined();
    expect(none.take(caller('a'), 1e9)).toBeUndefined();
    expect(new RateLimits(5).applyTo(undefined)).toBe(true);
  });

  it('say what is left, and when to come back', () => {
    stopClock();
    const limits = new RateLimits(0);
    const own = caller('a', 10);
    expect(limits.take(own, 4)).toEqual({ limit: 10, remaining: 6, resetS: 1 });
    expect(refusal(() => limits.take(own, 7))).toBe(1);
    expect(limits.take(own, 6)).toEqual({ limit: 10, remaining: 0, resetS: 1 });
    vi.advanceTimersByTime(250);
    expect(refusal(() => limits.take(own, 3))).toBe(1);
    expect(limits.take(own, 2)).toMatchObject({ remaining: 0 });
    vi.advanceTimersByTime(5000);
    expect(limits.take(own, 1)).toMatchObject({ remaining: 9 });
  });

  it('let more than the limit pass when all of it is left, and have it paid for by waiting', () => {
    stopClock();
    const limits = new RateLimits(0);
    const own = caller('a', 10);
    expect(limits.take(own, 35)).toEqual({ limit: 10, remaining: 0, resetS: 4 });
    expect(refusal(() => limits.take(own, 1))).toBe(3);
    expect(refusal(() => limits.take(own, 100))).toBe(4);
    vi.advanceTimersByTime(3400);
    expect(refusal(() => limits.take(own, 100))).toBe(1);
    vi.advanceTimersByTime(100);
    expect(limits.take(own, 10)).toMatchObject({ remaining: 0 });
  });

  it('of one caller are not those of another, and what one limit refuses is not taken off the other', () => {
    stopClock();
    const limits = new RateLimits(20);
    expect(limits.take(caller('a', 10), 10)).toMatchObject({ limit: 10, remaining: 0 });
    expect(refusal(() => limits.take(caller('a', 10), 5))).toBe(1);
    // Of all together 10 are left.
    expect(limits.take(undefined, 3)).toEqual({ limit: 20, remaining: 7, resetS: 1 });
    expect(refusal(() => limits.take(caller('b', 8), 8))).toBe(1);
    expect(limits.take(caller('b', 8), 7)).toMatchObject({ limit: 8, remaining: 1 });
  });

  it('begin again for a caller whose key allows more or less than the one before', () => {
    stopClock();
    const limits = new RateLimits(0);
    limits.take(caller('a', 10), 10);
    expect(limits.take(caller('a', 20), 1)).toMatchObject({ limit: 20, remaining: 19 });
    expect(limits.take(caller('a', 20), 1)).toMatchObject({ limit: 20, remaining: 18 });
  });
});

describe('a sender of elements that are refused', () => {
  it('waits for more of them than a thousand a second, and is turned away meanwhile', async () => {
    stopClock();
    const limits = new RateLimits(0);
    expect(refusal(() => limits.checkRefused('a'))).toBeUndefined();
    await limits.countRefused('a', 600);
    expect(refusal(() => limits.checkRefused('a'))).toBeUndefined();
    await limits.countRefused('a', 400);
    expect(refusal(() => limits.checkRefused('a'))).toBe(1);
    let isDone = false;
    const waiting = limits.countRefused('a', 500).then(() => (isDone = true));
    await vi.advanceTimersByTimeAsync(499);
    expect(isDone).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await waiting;
    expect(refusal(() => limits.checkRefused('b'))).toBeUndefined();
    await limits.countRefused('b', 1000);
  });

  it('waits for no more than a second, however many they are', async () => {
    stopClock();
    const limits = new RateLimits(0);
    await limits.countRefused('a', 1_000_000);
    expect(refusal(() => limits.checkRefused('a'))).toBe(1);
    vi.advanceTimersByTime(1);
    expect(refusal(() => limits.checkRefused('a'))).toBeUndefined();
  });

  it('is forgotten among ten thousand others only when nothing is held against it', async () => {
    stopClock();
    const limits = new RateLimits(0);
    await limits.countRefused('held', 1000);
    for (let number = 0; number < 10_000; number++) await limits.countRefused(`${number}`, 1);
    await limits.countRefused('one more', 1);
    expect(refusal(() => limits.checkRefused('held'))).toBe(1);
  });
});
