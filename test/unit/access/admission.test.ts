import { describe, expect, it } from 'vitest';
import { Admission } from '../../../src/access/admission.ts';
import { systemClock } from '../../../src/clock.ts';
import { type ApiError, ERRORS } from '../../../src/errors.ts';
import { handClock } from '../../support/hand-clock.ts';

function refusal(admission: Admission, bytes: number): ApiError {
  try {
    admission.enter(bytes);
  } catch (error) {
    return error as ApiError;
  }
  throw new Error('admitted');
}

describe('Admission', () => {
  it('bounds requests and bytes, and has room again when one leaves', () => {
    const admission = new Admission({ maxRequests: 2, maxBytes: 100, clock: handClock() });
    const hold = admission.enter(60);
    expect(refusal(admission, 41).code).toBe('overloaded');
    admission.enter(40);
    expect(refusal(admission, 0).code).toBe('overloaded');
    expect([admission.requests, admission.bytes]).toEqual([2, 100]);
    hold.leave();
    expect([admission.requests, admission.bytes]).toEqual([1, 40]);
    admission.enter(60);
  });

  it('counts what a request comes to hold, and gives all of it back, once', () => {
    const admission = new Admission({ maxRequests: 10, maxBytes: 100, clock: handClock() });
    const hold = admission.enter(10);
    hold.grow(80);
    expect(() => hold.grow(11)).toThrow(ERRORS.overloaded.message);
    expect(admission.bytes).toBe(90);
    hold.leave();
    hold.leave();
    hold.grow(5);
    expect([admission.requests, admission.bytes]).toEqual([0, 0]);
  });

  it('keeps what is reserved until the work for it has ended, though its connection has closed', async () => {
    const admission = new Admission({ maxRequests: 10, maxBytes: 100, clock: handClock() });
    const hold = admission.enter(10);
    const { promise, resolve } = Promise.withResolvers<void>();
    const works = [hold.during(() => promise), hold.during(async () => {})];
    await works[1];
    hold.leave();
    hold.grow(20);
    expect([admission.requests, admission.bytes]).toEqual([1, 30]);
    resolve();
    await works[0];
    expect([admission.requests, admission.bytes]).toEqual([0, 0]);
    await expect(admission.enter(10).during(() => Promise.reject(new Error('it fails')))).rejects.toThrow(
      'it fails',
    );
    expect([admission.requests, admission.bytes]).toEqual([1, 10]);
  });

  it('leaves to writers what readers do not have, and the other way round', () => {
    const admission = new Admission({ maxRequests: 1, maxBytes: 100, maxReadBytes: 50, clock: handClock() });
    admission.enter(50, { purpose: 'read' });
    admission.enter(100, { purpose: 'write' });
    expect([admission.requests, admission.bytes]).toEqual([2, 150]);
  });

  it('leaves half to other callers, but for what one of them does alone', () => {
    const admission = new Admission({ maxRequests: 4, maxBytes: 100, clock: handClock() });
    const alone = admission.enter(60, { caller: 'a' });
    alone.grow(10);
    expect(() => admission.enter(1, { caller: 'a' })).toThrow(ERRORS.overloaded.message);
    admission.enter(10, { caller: 'b' });
    alone.leave();
    admission.enter(40, { caller: 'a' });
    const second = admission.enter(10, { caller: 'a' });
    expect(() => second.grow(1)).toThrow(ERRORS.overloaded.message);
    expect(() => admission.enter(0, { caller: 'a' })).toThrow(ERRORS.overloaded.message);
    admission.enter(40, { caller: 'b' });
  });

  it('says when to come back: the backlog divided by the rate at which it drains, and some by chance', () => {
    const clock = handClock();
    const { random } = systemClock;
    const admission = new Admission({ maxRequests: 100, maxBytes: 1e9, clock: { ...clock, random } });
    // Ten a second, for five seconds, never idle.
    let hold = admission.enter(1);
    for (let number = 0; number < 50; number++) {
      const next = admission.enter(1);
      clock.advance(100);
      hold.leave();
      hold = next;
    }
    hold.leave();
    for (let number = 0; number < 100; number++) admission.enter(1);
    const waits = Array.from({ length: 200 }, () => refusal(admission, 1).retryAfterS);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...waits)).toBeLessThanOrEqual(16);
    expect(new Set(waits).size).toBeGreaterThan(1);
  });

  it('never says less than a second nor more than a minute', () => {
    const admission = new Admission({ maxRequests: 1, maxBytes: 10, clock: handClock() });
    expect(refusal(admission, 11).retryAfterS).toBe(1);
    const stuck = new Admission({ maxRequests: 1000, maxBytes: 1e9, clock: handClock() });
    for (let number = 0; number < 1000; number++) stuck.enter(1);
    expect(refusal(stuck, 1).retryAfterS).toBe(60);
  });

  it('lets the last second weigh three tenths in the rate at which work drains', () => {
    const clock = handClock();
    const admission = new Admission({ maxRequests: 1000, maxBytes: 1e9, clock });
    const holds = Array.from({ length: 1000 }, () => admission.enter(1));
    /** Lets so many leave, the last of them when two seconds are over. */
    function twoSeconds(drained: number) {
      for (const hold of holds.splice(0, drained - 1)) hold.leave();
      clock.advance(2000);
      holds.shift()!.leave();
    }
    const waitAt = () => {
      const filled = Array.from({ length: 1000 - admission.requests }, () => admission.enter(1));
      holds.push(...filled);
      return refusal(admission, 1).retryAfterS;
    };
    twoSeconds(200);
    expect(waitAt()).toBe(10);
    twoSeconds(400);
    // 100 + 0.3 * (200 - 100) = 130 a second.
    expect(waitAt()).toBe(8);
    twoSeconds(40);
    // 130 + 0.3 * (20 - 130) = 97 a second.
    expect(waitAt()).toBe(11);
  });

  it('counts for the rate only time in which there was work', () => {
    const clock = handClock();
    const admission = new Admission({ maxRequests: 200, maxBytes: 1e9, clock });
    admission.enter(1).leave();
    clock.advance(3_600_000);
    const holds = Array.from({ length: 200 }, () => admission.enter(1));
    clock.advance(500);
    for (const hold of holds.slice(0, 10)) hold.leave();
    for (let number = 0; number < 10; number++) admission.enter(1);
    // Ten in half a second.
    expect(refusal(admission, 1).retryAfterS).toBe(10);
  });

  it('counts what a caller still holds when one of its requests has left', () => {
    const admission = new Admission({ maxRequests: 6, maxBytes: 100, clock: handClock() });
    const holds = Array.from({ length: 3 }, () => admission.enter(1, { caller: 'a' }));
    const isTaken = () => {
      try {
        admission.enter(1, { caller: 'a' });
        return true;
      } catch {
        return false;
      }
    };
    expect(isTaken()).toBe(false);
    holds[0]!.leave();
    expect([isTaken(), isTaken()]).toEqual([true, false]);
  });

  it('says by half as much again, by chance, when to come back', () => {
    const chances = [0, 0.5].values();
    const clock = { ...handClock(), random: () => chances.next().value! };
    const admission = new Admission({ maxRequests: 20, maxBytes: 1e9, clock });
    for (let number = 0; number < 20; number++) admission.enter(1);
    expect(refusal(admission, 1).retryAfterS).toBe(20);
    expect(refusal(admission, 1).retryAfterS).toBe(25);
  });
});
