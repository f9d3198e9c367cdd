import { expect, it } from 'vitest';
import { HOUR_MS } from '../../../src/store/event-store.ts';
import { IntervalTally } from '../../../src/store/interval-tally.ts';

it('has a count for each value of an interval, and how far it got', () => {
  const tally = new IntervalTally({ origin: -HOUR_MS, length: HOUR_MS });
  const events: [time: number, value: string | null][] = [
    [-1, 'a'],
    [0, 'a'],
    [5, 'b'],
    [5, null],
    [HOUR_MS - 1, 'a'],
    [HOUR_MS, 'a'],
  ];
  for (const [sequence, [time, value]] of events.entries()) tally.add({ time, sequence }, value);
  expect(tally.events).toBe(6);
  expect(tally.counts()).toEqual({
    counts: [
      { interval: 0, value: 'a', events: 1 },
      { interval: 1, value: 'a', events: 2 },
      { interval: 1, value: 'b', events: 1 },
      { interval: 1, value: null, events: 1 },
      { interval: 2, value: 'a', events: 1 },
    ],
    last: { time: HOUR_MS, sequence: 5 },
  });
});
