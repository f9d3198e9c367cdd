import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type DifferenceQuery, findDifference } from '../../src/query/event-difference.ts';
import { KeptValues } from '../../src/query/kept-values.ts';
import { HOUR_MS } from '../../src/store/event-store.ts';
import { eventAt, UNLIMITED } from '../support/counted-events.ts';
import { claimAndStore } from '../support/storing.ts';
import type { StoreHarness } from './event-store.contract.ts';

const USERS = ['a', 'b', 'ä'];
const TYPES = ['LOGIN', 'LOGOUT', 'VIEW'];
/** Payloads as sent, and the conditions that find them. */
const PAYLOADS: [sent: string, found: [name: string, value: string][]][] = [
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
];
/** Members that a payload has although no value of them is listed. */
const ALSO: Record<string, string[]> = {
  '{"x":[1,2]}': ['payload.x[exists]'],
  [`{"x":"${'long'.repeat(100)}"}`]: ['payload.x[exists]'],
  '{"x":"a\\u0000b"}': ['payload.x[exists]'],
};

const QUERIES_A_BATCH = 5;

interface Made {
  time: number;
  user: number;
  type: number;
  sent: number;
}

const event = ({ time, user, type, sent }: Made) =>
  eventAt(time, USERS[user]!, TYPES[type]!, PAYLOADS[sent]![0]);

function conditionsOf({ user, type, sent }: Made): string[] {
  const [payload, found] = PAYLOADS[sent]!;
  const exists = found.map(([name]) => `${name.replace(/\[eq\]$/, '')}[exists]`);
  return [
    JSON.stringify(['eventType', TYPES[type]]),
    JSON.stringify(['userId', USERS[user]]),
    ...found.map((one) => JSON.stringify(one)),
    ...[...exists, ...(ALSO[payload] ?? [])].map((name) => JSON.stringify([name, 'true'])),
  ];
}

/** The same in one pass over everything, in no order. */
function expectedOf(made: readonly Made[], query: DifferenceQuery) {
  const { from, to, baselineFrom, baselineTo, userId, eventTypes, payload } = query;
  const matching = made.filter((one) => {
    if (userId !== undefined && USERS[one.user] !== userId) return false;
    if (eventTypes !== undefined && !eventTypes.includes(TYPES[one.type]!)) return false;
    return payload.length === 0 || conditionsOf(one).includes('["payload.x","1.5"]');
  });
  const isSelected = ({ time }: Made) => time >= from && time < to;
  const selected = matching.filter(isSelected);
  const baseline = matching.filter(
    (one) => !isSelected(one) && one.time >= baselineFrom && one.time < baselineTo,
  );
  const number = (of: Made[], condition: string) =>
    of.filter((one) => conditionsOf(one).includes(condition)).length;
  const values = [...new Set(selected.flatMap(conditionsOf))].map((condition) => {
    const [name, value] = JSON.parse(condition) as [string, string];
    return { name, value, events: number(selected, condition), baselineEvents: number(baseline, condition) };
  });
  const difference = ({ events, baselineEvents }: { events: number; baselineEvents: number }) =>
    baseline.length === 0 ? events : events * baseline.length - baselineEvents * selected.length;
  return {
    events: selected.length,
    baselineEvents: baseline.length,
    values: values.filter((one) => difference(one) > 0),
    difference,
  };
}

/** What must be told of a difference on every store. */
export function differenceContract(open: () => Promise<StoreHarness>): void {
  it('finds exactly what a greater share of the selected events has, whatever is selected and compared', async () => {
    const time = fc.oneof(
      fc.integer({ min: -3 * HOUR_MS, max: 3 * HOUR_MS }),
      fc.constantFrom(-HOUR_MS, -1, 0, 1, HOUR_MS - 1, HOUR_MS),
    );
    const made = fc.record({
      time,
      user: fc.nat(2),
      type: fc.nat(2),
      sent: fc.nat(PAYLOADS.length - 1),
    });
    const span = fc.oneof(fc.constantFrom(1, HOUR_MS, 3 * HOUR_MS), fc.integer({ min: 1, max: 4 * HOUR_MS }));
    const query: fc.Arbitrary<DifferenceQuery> = fc
      .record({
        from: time,
        baselineFrom: time,
        spans: fc.tuple(span, span),
        userId: fc.constantFrom(undefined, undefined, 'a'),
        eventTypes: fc.constantFrom(undefined, undefined, ['VIEW'], ['LOGIN', 'NEVER', 'VIEW']),
        payload: fc.constantFrom([], [], [{ path: ['x'], operator: 'eq' as const, value: '1.5' }]),
      })
      .map(({ spans, ...rest }) => ({
        ...rest,
        to: rest.from + spans[0],
        baselineTo: rest.baselineFrom + spans[1],
        top: 1000,
      }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(made, { minLength: 30, maxLength: 50 }), { minLength: 2, maxLength: 3 }),
        fc.array(query, { minLength: 15, maxLength: 15 }),
        async (batches, queries) => {
          const { store: opened } = await open();
          const kept = new KeptValues();
          const stored: Made[] = [];
          for (const [at, asked] of queries.entries()) {
            // Hours that are kept by then get more events, some in between.
            const batch = batches[at / QUERIES_A_BATCH] ?? [];
            if (batch.length > 0) await claimAndStore(opened, batch.map(event));
            stored.push(...batch);
            const { values, comparedFrom, ...totals } = await findDifference(opened, asked, UNLIMITED, kept);
            const { difference, ...expected } = expectedOf(stored, asked);
            const byName = (a: { name: string; value: string }, b: { name: string; value: string }) =>
              a.name < b.name || (a.name === b.name && a.value < b.value) ? -1 : 1;
            expect([asked, { ...totals, values: values.toSorted(byName) }]).toEqual([
              asked,
              { ...expected, values: expected.values.sort(byName) },
            ]);
            expect(comparedFrom).toBe(1);
            const order = values.map(difference);
            expect(order).toEqual(order.toSorted((a, b) => b - a));
            const few = await findDifference(opened, { ...asked, top: 2 }, UNLIMITED, kept);
            expect(few.values).toEqual(values.slice(0, 2));
          }
        },
      ),
      // Each example has a store of its own; the query says enough.
      { numRuns: 5, endOnFailure: true },
    );
  });

  it('compares nothing with nothing', async () => {
    const { store: opened } = await open();
    const range = { from: 0, to: HOUR_MS, baselineFrom: -HOUR_MS, baselineTo: 0, payload: [], top: 10 };
    const none = { events: 0, baselineEvents: 0, comparedFrom: 1, values: [] };
    expect(await findDifference(opened, range, UNLIMITED, new KeptValues())).toEqual(none);
  });
}
