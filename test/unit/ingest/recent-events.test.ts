import { describe, expect, it } from 'vitest';
import { RecentEvents } from '../../../src/ingest/recent-events.ts';

const receipt = { topic: 't', partition: 0, offset: 0 };
/** An event that counts for 500 bytes, 300 of them beside its text. */
const event = { json: 'x'.repeat(200), receipt };

describe('recent events', () => {
  it('are found by their keys, the last of each', () => {
    const recent = new RecentEvents(10_000);
    recent.add('a', event);
    recent.add('a', { json: 'other', receipt });
    expect(recent.get('a')).toEqual({ json: 'other', receipt });
    expect(recent.get('b')).toBeUndefined();
  });

  it('are kept for half of the bytes at least, and not for more than all of them', () => {
    const recent = new RecentEvents(10_000);
    for (let number = 0; number < 100; number++) {
      recent.add(`${number}`, event);
      for (let back = 0; back < 10 && back <= number; back++) {
        expect(recent.get(`${number - back}`)).toBe(event);
      }
      expect(recent.get(`${number - 20}`)).toBeUndefined();
    }
  });
});
