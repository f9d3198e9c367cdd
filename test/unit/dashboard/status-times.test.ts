import { describe, expect, it } from 'vitest';
import { BEAT_MS, EVERY_MS, FRESH_MS } from '../../../dashboard/status-times.ts';
import { CHECK_TIMEOUT_MS, SHARED_MS } from '../../../src/operations/health.ts';
import { LONGEST_PAUSE_MS } from '../../../src/processing/retrier.ts';

const SECOND = 1000;

describe('the status on the page', () => {
  it('follows the probes within three seconds, also while they take as long as they may', () => {
    expect(EVERY_MS + CHECK_TIMEOUT_MS).toBeLessThanOrEqual(3 * SECOND);
  });

  it('is not green for longer than three seconds without an answer, and waits for a slow one', () => {
    expect(FRESH_MS + BEAT_MS).toBeLessThanOrEqual(3 * SECOND);
    expect(FRESH_MS).toBeGreaterThan(CHECK_TIMEOUT_MS);
  });

  it('shows within five seconds that a dependency is down, and that it is back', () => {
    // The worst case: another client was answered just before, the page has just asked, and the next probe hangs.
    expect(SHARED_MS + EVERY_MS + CHECK_TIMEOUT_MS).toBeLessThanOrEqual(5 * SECOND);
    // The consumer has just begun to wait.
    expect(LONGEST_PAUSE_MS + EVERY_MS + CHECK_TIMEOUT_MS).toBeLessThanOrEqual(5 * SECOND);
  });
});
