import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Difference, type DifferenceQuery, findDifference } from '../../src/query/event-difference.ts';
import { KeptValues } from '../../src/query/kept-values.ts';
import { type EventStore, HOUR_MS } from '../../src/store/event-store.ts';
import { UNLIMITED } from '../support/counted-events.ts';
import type { StoreHarness } from './event-store.contract.ts';
import { eventsOf, expectExactAnswers, filters, type Made, matching } from './exact-answers.ts';

/** Payloads as sent, and the conditions that find them. */
const PAYLOADS = new Map<string, [name: string, value: string][]>([
  [
    '{"x":1.50,"z":0}',
    [
      ['payload.x', '1.5'],
      ['payload.z', '0'],
    ],
  ],
  ['{"x":"1.5"}', [['payload.x', '1.5']]],
  ['{"x":9007199254740993}', [['payload.x', '9007199254740993']]],
  ['{"x":9007199254740992}', [['payload.x', '9007199254740992']]],
  ['{"x":0.10000000000000000001}', [['payload.x', '0.10000000000000000001']]],
  [
    '{"x":1e400,"y":-0}',
    [
      ['payload.x', '1e400'],
      ['payload.y', '0'],
    ],
  ],
  ['{"x":true}', [['payload.x', 'true']]],
  ['{"x":null}', [['payload.x', 'null']]],
  ['{"x":""}', [['payload.x', '']]],
  [
    '{"x":{"y":1,"z":{"x":"deep"}}}',
    [
      ['payload.x.y', '1'],
      ['payload.x.z.x', 'deep'],
    ],
  ],
  ['{"x":[1,2]}', []],
  ['{"a[gt]":5,"a.b":6,"":7}', [['payload.a[gt][eq]', '5']]],
  [`{"x":"${'long'.repeat(100)}"}`, []],
  ['{"x":"a\\u0000b"}', []],
  ['{}', []],
]);
/** Members that a payload has although no value of them is listed. */
const ALSO: Record<string, string[]> = {
  '{"x":[1,2]}': ['payload.x[exists]'],
  [`{"x":"${'long'.repeat(100)}"}`]: ['payload.x[exists]'],
  '{"x":"a\\u0000b"}': ['payload.x[exists]'],
};

function conditionsOf({ userId, eventType, payload }: Made): string[] {
  const found = PAYLOADS.get(payload)!;
  const exists = found.map(([name]) => `${name.replace(/\[eq\]$/, '')}[exists]`);
  return [
    JSON.stringify(['eventType', eventType]),
    JSON.stringify(['userId', userId]),
    ...found.map((one) => JSON.stringify(one)),
    ...[...exists, ...(ALSO[payload] ?? [])].map((name) => JSON.stringify([name, 'true'])),
  ];
}

/** The same in one pass over everything, in no order. */
function expectedOf(made: readonly Made[], query: DifferenceQuery) {
  const { from, to, baselineFrom, baselineTo } = query;
  const compared = matching(made, query, (one) => conditionsOf(one).includes('["payload.x","1.5"]'));
  const isSelected = ({ time }: Made) => time >= from && time < to;
  const selected = compared.filter(isSelected);
  const baseline = compared.filter(
    (one) => !isSelected(one) && one.time >= baselineFrom && one.time < baselineTo,
  );
  const number = (of: Made[], condition: string) =>
    of.filter((one) => conditionsOf(one).includes(condition)).length;
  const values = [...new Set(selected.flatMap(conditionsOf))].map((condition) => {
    const [name, value] = JSON.parse(condition) as [string, string];
    return { name, value, events: number(selected, condition), baselineEvents: number(baseline, condition) };
  });
  const totals = { events: selected.length, baselineEvents: baseline.length };
  const greater = values.filter((one) => difference(totals, one) > 0);
  return { ...totals, comparedFrom: 1, values: greater.sort(byName) };
}

type Counted = Pick<Difference, 'events' | 'baselineEvents'>;

/** In parts of an event that all answers have in common. */
function difference(totals: Counted, { events, baselineEvents }: Counted): number {
  return totals.baselineEvents === 0
    ? events
    : events * totals.baselineEvents - baselineEvents * totals.events;
}

type Named = { name: string; value: string };

function byName(a: Named, b: Named): number {
  return a.name < b.name || (a.name === b.name && a.value < b.value) ? -1 : 1;
}

/** Values in the order of their names; that they come by their difference, and few before many, is checked here. */
function answering(store: EventStore): (asked: DifferenceQuery) => Promise<Difference> {
  const kept = new KeptValues();
  return async (asked) => {
    const answer = await findDifference(store, asked, UNLIMITED, kept);
    const order = answer.values.map((one) => difference(answer, one));
    expect(order).toEqual(order.toSorted((a, b) => b - a));
    const few = await findDifference(store, { ...asked, top: 2 }, UNLIMITED, kept);
    expect(few.values).toEqual(answer.values.slice(0, 2));
    return { ...answer, values: answer.values.toSorted(byName) };
  };
}

/** What must be told of a difference on every store. */
export function differenceContract(open: () => Promise<StoreHarness>): void {
  it('finds exactly what a greater share of the selected events has, whatever is selected and compared', async () => {
    const time = fc.oneof(
      fc.integer({ min: -3 * HOUR_MS, max: 3 * HOUR_MS }),
      fc.constantFrom(-HOUR_MS, -1, 0, 1, HOUR_MS - 1, HOUR_MS),
    );
    const span = fc.oneof(fc.constantFrom(1, HOUR_MS, 3 * HOUR_MS), fc.integer({ min: 1, max: 4 * HOUR_MS }));
    const query: fc.Arbitrary<DifferenceQuery> = fc
      .record({
        from: time,
        baselineFrom: time,
        spans: fc.tuple(span, span),
        ...filters('a', ['VIEW', 'NEVER', 'LOGIN'], { path: ['x'], operator: 'eq', value: '1.5' }),
      })
      .map(({ spans, ...rest }) => ({
        ...rest,
        to: rest.from + spans[0],
        baselineTo: rest.baselineFrom + spans[1],
        top: 1000,
      }));
    await expectExactAnswers(open, {
      made: eventsOf(time, ['a', 'b', 'ä'], ['LOGIN', 'LOGOUT', 'VIEW'], [...PAYLOADS.keys()]),
      batch: { minLength: 30, maxLength: 50 },
      batches: { minLength: 2, maxLength: 3 },
      query,
      queries: 15,
      answering,
      expectedOf,
    });
  });

  it('compares nothing with nothing', async () => {
    const { store: opened } = await open();
    const range = { from: 0, to: HOUR_MS, baselineFrom: -HOUR_MS, baselineTo: 0, payload: [], top: 10 };
    const none = { events: 0, baselineEvents: 0, comparedFrom: 1, values: [] };
    expect(await findDifference(opened, range, UNLIMITED, new KeptValues())).toEqual(none);
  });
}
