import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countSeries, type SeriesQuery } from '../../src/query/event-series.ts';
import type { Series } from '../../src/query/series-tally.ts';
import { DAY_MS, HOUR_MS } from '../../src/store/event-store.ts';
import { eventAt, UNLIMITED } from '../support/counted-events.ts';
import { claimAndStore } from '../support/storing.ts';
import type { StoreHarness } from './event-store.contract.ts';
import { eventsOf, expectExactAnswers, filters, type Made, matching } from './exact-answers.ts';

const MINUTE_MS = HOUR_MS / 60;
/** What is sent as the member `x`, and how it is counted. */
const VALUES = new Map<string, string | null>([
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
]);

/** The same in one pass over everything. */
function expectedOf(made: readonly Made[], query: SeriesQuery): unknown {
  const { from, to, by, length, top } = query;
  const start = Math.floor(from / length) * length;
  const back = to - from;
  const valueIn = (one: Made) => {
    if (by === 'userId' || by === 'eventType') return one[by];
    return by === undefined ? null : VALUES.get(one.payload)!;
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
  for (const one of matching(made, query, ({ payload }) => VALUES.get(payload) === '1.5')) {
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
    const query: fc.Arbitrary<SeriesQuery> = fc
      .record({
        from: time,
        span: fc.oneof(fc.constantFrom(1, HOUR_MS, 5 * HOUR_MS, DAY_MS), fc.integer({ min: 1, max: DAY_MS })),
        by: fc.constantFrom(undefined, 'userId' as const, 'eventType' as const, ['x']),
        length: fc.constantFrom(5 * MINUTE_MS, HOUR_MS, DAY_MS),
        ...filters('a', ['VIEW', 'NEVER', 'LOGIN'], { path: ['x'], operator: 'eq', value: '1.5' }),
        top: fc.constantFrom(1, 2, 100),
        withPrevious: fc.boolean(),
      })
      .map(({ span, ...rest }) => ({ ...rest, to: rest.from + span }));
    await expectExactAnswers(open, {
      made: eventsOf(time, ['a', 'b', 'c'], ['LOGIN', 'LOGOUT', 'VIEW'], [...VALUES.keys()]),
      batch: { minLength: 20, maxLength: 40 },
      batches: { minLength: 2, maxLength: 3 },
      query,
      queries: 20,
      answering: (store) => async (asked) => plain(await countSeries(store, asked, UNLIMITED)),
      expectedOf,
    });
  });

  it('counts in each row what the filter of the row finds, also in that of events without a single value', async () => {
    const { store: opened } = await open();
    await claimAndStore(
      opened,
      [...VALUES.keys()].map((payload, at) => eventAt(at, 'a', 'VIEW', payload)),
    );
    const hour = { from: 0, to: HOUR_MS, length: HOUR_MS, top: 100, withPrevious: false };
    const count = (query: Pick<SeriesQuery, 'by' | 'payload'>) =>
      countSeries(opened, { ...hour, ...query }, UNLIMITED);
    const { series } = await count({ by: ['x'], payload: [] });
    expect(series).toHaveLength(new Set(VALUES.values()).size);
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
