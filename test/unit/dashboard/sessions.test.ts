import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sessionsOf } from '../../../dashboard/sessions.ts';

const MINUTE = 60_000;

/** Events so many minutes after an hour, in the order given. */
function eventsAt(...minutes: number[]) {
  return minutes.map((minute) => ({
    eventId: `at ${minute}`,
    timestamp: new Date(minute * MINUTE).toISOString(),
  }));
}

describe("a user's sessions", () => {
  it('end where there is nothing for half an hour, and are known by their newest event', () => {
    expect([...sessionsOf(eventsAt(100, 71, 41.001, 11, 0), false)]).toEqual([
      ['at 100', { events: 3, ms: 58.999 * MINUTE, isOpen: false }],
      ['at 11', { events: 2, ms: 11 * MINUTE, isOpen: false }],
    ]);
  });

  it('may go on in events that are not loaded, if they are the oldest', () => {
    const sessions = sessionsOf(eventsAt(100, 10), true);
    expect([...sessions.values()].map(({ isOpen }) => isOpen)).toEqual([false, true]);
    expect(sessionsOf([], true).size).toBe(0);
  });

  it('hold each event once, whatever the times', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 500 })), (minutes) => {
        const times = minutes.sort((a, b) => b - a);
        const sessions = [...sessionsOf(eventsAt(...times), false).values()];
        expect(sessions.reduce((sum, { events }) => sum + events, 0)).toBe(times.length);
      }),
    );
  });
});
