import { describe, expect, it } from 'vitest';
import { Admission } from '../../../src/access/admission.ts';
import { type ApiError, ERRORS } from '../../../src/errors.ts';

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
    const admission = new Admission({ maxRequests: 2, maxBytes: 100 });
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
    const admission = new Admission({ maxRequests: 10, maxBytes: 100 });
    const hold = admission.enter(10);
    hold.grow(80);
    expect(() => hold.grow(11)).toThrow(ERRORS.overloaded.message);
    expect(admission.bytes).toBe(90);
    hold.leave();
    hold.leave();
    hold.grow(5);
    expect([admission.requests, admission.bytes]).toEqual([0, 0]);
  });

  it('leaves to writers what readers do not have, and the other way round', () => {
    const admission = new Admission({ maxRequests: 1, maxBytes: 100, maxReadBytes: 50 });
    admission.enter(50, { purpose: 'read' });
    admission.enter(100, { purpose: 'write' });
    expect([admission.requests, admission.bytes]).toEqual([2, 150]);
  });

  it('leaves half to other callers, but for what one of them does alone', () => {
    const admission = new Admission({ maxRequests: 4, maxBytes: 100 });
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
    let now = 0;
    const admission = new Admission({ maxRequests: 100, maxBytes: 1e9 }, () => now);
    // Ten a second, for five seconds, never idle.
    let hold = admission.enter(1);
    for (let number = 0; number < 50; number++) {
      const next = admission.enter(1);
      now += 100;
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
    const admission = new Admission({ maxRequests: 1, maxBytes: 10 });
    expect(refusal(admission, 11).retryAfterS).toBe(1);
    const stuck = new Admission({ maxRequests: 1000, maxBytes: 1e9 });
    for (let number = 0; number < 1000; number++) stuck.enter(1);
    expect(refusal(stuck, 1).retryAfterS).toBe(60);
  });
});
