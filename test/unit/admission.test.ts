import { describe, expect, it } from 'vitest';
import { Admission } from '../../src/admission.ts';
import type { FootfallError } from '../../src/errors.ts';

function refusal(admission: Admission, bytes: number): FootfallError {
  try {
    admission.enter(bytes);
  } catch (error) {
    return error as FootfallError;
  }
  throw new Error('admitted');
}

describe('Admission', () => {
  it('bounds requests and bytes, and has room again when one leaves', () => {
    const admission = new Admission({ maxRequests: 2, maxBytes: 100 });
    const leave = admission.enter(60);
    expect(refusal(admission, 41).code).toBe('overloaded');
    admission.enter(40);
    expect(refusal(admission, 0).code).toBe('overloaded');
    expect([admission.requests, admission.bytes]).toEqual([2, 100]);
    leave();
    expect([admission.requests, admission.bytes]).toEqual([1, 40]);
    admission.enter(60);
  });

  it('says when to come back: the backlog divided by the rate at which it drains, and some by chance', () => {
    let now = 0;
    const admission = new Admission({ maxRequests: 100, maxBytes: 1e9 }, () => now);
    // Ten a second, for five seconds, never idle.
    let leave = admission.enter(1);
    for (let number = 0; number < 50; number++) {
      const next = admission.enter(1);
      now += 100;
      leave();
      leave = next;
    }
    leave();
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
