import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countSeries, type SeriesQuery } from '../../src/query/event-series.ts';
import type { Series } from '../../src/query/series-tally.ts';
import { HOUR_MS } from '../../src/store/event-store.ts';
import { eventAt, UNLIMITED } from '../support/counted-events.ts';
import { claimAndStore } from '../support/storing.ts';
import type { StoreHarness } from './event-store.contract.ts';

const MINUTE_MS = HOUR_MS / 60;
const DAY_MS = 24 * HOUR_MS;
const USERS = ['a', 'b', 'c'];
const TYPES = ['LOGIN', 'LOGOUT', 'VIEW'];
/** What is sent as the member `x`, and how it is counted. */
const VALUES: [sent: string, value: string | null][] = [
  ['{"x":1.50}', '1.5'],
  ['{"x":1.5}', '1.5'],
  ['{"x":"1.5"}', '1.5'],
  ['{"x":9007199254740993}', '9007199254740993'],
  ['{"x":9007199254740992}', '9007199254740992'],
  ['{"x":true}', 'true'],
  ['{"x":null}', 'null'],
  ['{"x":""}', ''],
  ['{"x":{"y":1}}', null],
  ['{"x":[1]}', null],
  ['{"y":{"x":1}}', null],
  ['{}', null],
];

interface Made {
  time: number;
  user: number;
  type: number;
  sent: number;
}

const event = ({ time, user, type, sent }: Made) =>
  eventAt(time, USERS[user]!, TYPES[type]!, VALUES[sent]![0]);

/** The same in one pass over everything. */
function expectedOf(made: readonly Made[], query: SeriesQuery): unknown {
  const { from, to, by, length, userId, eventTypes, payload, top } = query;
  const start = Math.floor(from / length) * length;
  const back = to - from;
  const matching = made.filter(({ user, type, sent }) => {
    if (userId !== undefined && USERS[user] !== userId) return false;
    if (eventTypes !== undefined && !eventTypes.includes(TYPES[type]!)) return false;
    return payload.every(({ value }) => VALUES[sent]![1] === value);
  });
  const valueIn = ({ user, type, sent }: Made) => {
    if (by === 'userId') return USERS[user]!;
    if (by === 'eventType') return TYPES[type]!;
    return by === undefined ? null : VALUES[sent]![1];
  };
  const none = () => Array.from({ length: Math.ceil((to - start) / length) }, () => 0);
  const add = (counts: number[], time: number) => void counts[Math.floor((time - start) / length)]!++;
  const previousCounts = none();
  const values = new Map<string | null, { events: number; previous: number; counts: number[] }>();
  const entry = (value: string | null) => {
    const known = values.get(value) ?? { events: 0, previous: 0, counts: none() };
    values.set(value, known);
    return known;
  };
  for (const one of matching) {
    if (one.time >= from && one.time < to) {
      const known = entry(valueIn(one));
      known.events++;
      add(known.counts, one.time);
    } else if (query.withPrevious && one.time >= from - back && one.time < from) {
      entry(valueIn(one)).previous++;
      add(previousCounts, one.time + back);
    }
  }
  const series = [...values]
    .map(([value, counted]) => ({ value, ...counted }))
    .sort(
      (a, b) =>
        b.events - a.events ||
        b.previous - a.previous ||
        Number(a.value === null) - Number(b.value === null) ||
        (a.value! < b.value! ? -1 : 1),
    );
  const rest = series.slice(top);
  const others = {
    values: rest.length,
    events: rest.reduce((sum, { events }) => sum + events, 0),
    previous: rest.reduce((sum, { previous }) => sum + previous, 0),
    counts: rest.reduce((sum, { counts }) => sum.map((events, at) => events + counts[at]!), none()),
  };
  return { series: series.slice(0, top), others, previousCounts };
}

const plain = ({ series, others, previousCounts }: Series) => ({
  series: series.map((one) => ({ ...one, counts: [...one.counts] })),
  others: { ...others, counts: [...others.counts] },
  previousCounts: [...previousCounts],
});

/** What counting over time must answer on every store. */
export function seriesContract(open: () => Promise<StoreHarness>): void {
  it('answers a series exactly, whatever is asked, across the edges of kept hours and before 1970', async () => {
    const time = fc.oneof(
      fc.integer({ min: -2 * DAY_MS, max: 2 * DAY_MS }),
      fc.constantFrom(-DAY_MS, -HOUR_MS, -1, 0, 1, HOUR_MS, DAY_MS - 1, DAY_MS),
    );
    const made = fc.record({
      time,
      user: fc.nat(2),
      type: fc.nat(2),
      sent: fc.nat(VALUES.length - 1),
    });
    const query: fc.Arbitrary<SeriesQuery> = fc
      .record({
        from: time,
        span: fc.oneof(fc.constantFrom(1, HOUR_MS, 5 * HOUR_MS, DAY_MS), fc.integer({ min: 1, max: DAY_MS })),
        by: fc.constantFrom(undefined, 'userId' as const, 'eventType' as const, ['x']),
        length: fc.constantFrom(5 * MINUTE_MS, HOUR_MS, DAY_MS),
        userId: fc.constantFrom(undefined, undefined, 'a'),
        eventTypes: fc.constantFrom(undefined, undefined, ['VIEW'], ['LOGIN', 'NEVER', 'VIEW']),
        payload: fc.constantFrom([], [], [{ path: ['x'], operator: 'eq' as const, value: '1.5' }]),
        top: fc.constantFrom(1, 2, 100),
        withPrevious: fc.boolean(),
      })
      .map(({ span, ...rest }) => ({ ...rest, to: rest.from + span }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(made, { minLength: 20, maxLength: 40 }), { minLength: 2, maxLength: 3 }),
        fc.array(query, { minLength: 20, maxLength: 20 }),
        async (batches, queries) => {
          const { store: opened } = await open();
          for (const batch of batches) await claimAndStore(opened, batch.map(event));
          for (const asked of queries) {
            const found = await countSeries(opened, asked, UNLIMITED);
            expect([asked, plain(found)]).toEqual([asked, expectedOf(batches.flat(), asked)]);
          }
        },
      ),
      // Smaller examples, each on a store of its own, would take minutes to find; the query says enough.
      { numRuns: 5, endOnFailure: true },
    );
  });

  it('counts in each row what the filter of the row finds, also in that of events without a single value', async () => {
    const { store: opened } = await open();
    await claimAndStore(
      opened,
      VALUES.map((_, sent) => event({ time: sent, user: 0, type: 0, sent })),
    );
    const hour = { from: 0, to: HOUR_MS, length: HOUR_MS, top: 100, withPrevious: false };
    const count = (query: Pick<SeriesQuery, 'by' | 'payload'>) =>
      countSeries(opened, { ...hour, ...query }, UNLIMITED);
    const { series } = await count({ by: ['x'], payload: [] });
    expect(series).toHaveLength(new Set(VALUES.map(([, value]) => value)).size);
    for (const { value, events } of series) {
      const path = ['x'];
      const condition =
        value === null
          ? { path, operator: 'scalar' as const, value: 'false' }
          : { path, operator: 'eq' as const, value };
      const found = await count({ by: undefined, payload: [condition] });
      expect([value, found.series[0]!.events]).toEqual([value, events]);
    }
  });
}
