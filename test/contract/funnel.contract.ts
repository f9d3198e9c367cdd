import fc from 'fast-check';
import { it } from 'vitest';
import type { PayloadCondition } from '../../src/events/payload-conditions.ts';
import { type AskedStep, countFunnel, type FunnelQuery } from '../../src/query/funnel.ts';
import { HOUR_MS } from '../../src/store/event-store.ts';
import { UNLIMITED } from '../support/counted-events.ts';
import type { StoreHarness } from './event-store.contract.ts';
import { eventsOf, expectExactAnswers, isLamp, LAMP, LAMPS_AND_CHAIRS, type Made } from './exact-answers.ts';

const USERS = ['a', 'b', 'ä'];
const OTHERS: PayloadCondition = { path: ['productId'], operator: 'ne', value: 'lamp' };

function isStep(made: Made, { eventType, payload }: AskedStep): boolean {
  return made.eventType === eventType && payload.every((condition) => isLamp(made) === (condition === LAMP));
}

/** Every way there is, tried one after the other. */
function expectedOf(made: readonly Made[], query: FunnelQuery) {
  const { steps, from, to, withinMs } = query;
  const inOrder = made
    .map((one, stored) => ({ ...one, stored }))
    .sort((a, b) => a.time - b.time || a.stored - b.stored);
  const gaps = steps.map(() => [] as number[]);
  let users = 0;
  for (const user of USERS) {
    const own = inOrder.filter(({ userId }) => userId === user);
    /** The arrival at each step, and the latest one at the step before, on any way. */
    const reached = steps.map(() => undefined as [at: number, before: number] | undefined);
    const follow = (way: number[], last: number) => {
      const step = way.length;
      if (step === steps.length) return;
      for (let next = last + 1; next < own.length; next++) {
        const { time } = own[next]!;
        if (!isStep(own[next]!, steps[step]!)) continue;
        if (step === 0 ? time < from || time >= to : time - way[0]! > withinMs) continue;
        const before = way.at(-1) ?? time;
        const known = reached[step];
        if (known === undefined || next < known[0]) reached[step] = [next, before];
        else if (next === known[0]) reached[step] = [next, Math.max(before, known[1])];
        follow([...way, time], next);
      }
    };
    follow([], -1);
    if (reached[0] !== undefined) users++;
    reached.forEach((one, step) => {
      if (one !== undefined) gaps[step]!.push(own[one[0]]!.time - one[1]);
    });
  }
  return steps.map(({ eventType }, step) => {
    const sorted = gaps[step]!.sort((a, b) => a - b);
    const middle = sorted.length / 2;
    const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
    if (step === 0) return { eventType, users, medianMs: null };
    return { eventType, users: sorted.length, medianMs: sorted.length === 0 ? null : median };
  });
}

/** What must be told of funnels on every store. */
export function funnelContract(open: () => Promise<StoreHarness>): void {
  it('counts exactly how far users get, with late events, events of the same time, steps that come again, and conditions of each step', async () => {
    const time = fc.oneof(fc.integer({ min: -20, max: 20 }), fc.constantFrom(-HOUR_MS, HOUR_MS));
    const conditions = fc.constantFrom<PayloadCondition[]>([], [LAMP], [OTHERS], [LAMP, OTHERS]);
    const query: fc.Arbitrary<FunnelQuery> = fc
      .record({
        types: fc.constantFrom(
          ['VIEW', 'BUY'],
          ['VIEW', 'CART', 'BUY'],
          ['VIEW', 'VIEW', 'BUY'],
          ['BUY', 'VIEW', 'CART', 'VIEW'],
          ['VIEW', 'NEVER'],
        ),
        // Half of the queries have none; of the others, some steps do.
        payloads: fc.oneof(
          fc.constant([[], [], [], []]),
          fc.tuple(conditions, conditions, conditions, conditions),
        ),
        withinMs: fc.constantFrom(1, 5, 15, HOUR_MS),
        from: fc.integer({ min: -25, max: 10 }),
        length: fc.constantFrom(1, 10, 30, HOUR_MS),
      })
      .map(({ types, payloads, length, ...rest }) => ({
        ...rest,
        steps: types.map((eventType, at) => ({ eventType, payload: payloads[at]! })),
        to: rest.from + length,
      }));
    await expectExactAnswers(open, {
      made: eventsOf(time, USERS, ['VIEW', 'CART', 'BUY'], LAMPS_AND_CHAIRS),
      batch: { minLength: 8, maxLength: 14 },
      batches: { minLength: 2, maxLength: 2 },
      query,
      queries: 20,
      answering: (store) => (asked) => countFunnel(store, asked, UNLIMITED),
      expectedOf,
    });
  });
}
