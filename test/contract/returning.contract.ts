import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countReturning, type ReturningQuery } from '../../src/query/returning-users.ts';
import { HOUR_MS } from '../../src/store/event-store.ts';
import { eventAt, UNLIMITED } from '../support/counted-events.ts';
import { claimAndStore } from '../support/storing.ts';
import type { StoreHarness } from './event-store.contract.ts';

const USERS = ['a', 'b', 'ä', 'd'];
const TYPES = ['VIEW', 'BUY'];
const DAY_MS = 24 * HOUR_MS;
/** One week is an hour shorter, one an hour longer. */
const WEEKS = [0, 7, 14, 21].map((days, at) => days * DAY_MS - [0, 1, 1, 0][at]! * HOUR_MS);
const END = 28 * DAY_MS;

interface Made {
  time: number;
  user: number;
  type: number;
  isLamp: boolean;
}

const event = ({ time, user, type, isLamp }: Made) =>
  eventAt(time, USERS[user]!, TYPES[type]!, `{"productId":"${isLamp ? 'lamp' : 'chair'}"}`);

function expectedOf(made: readonly Made[], { from, to, weeks, userId, eventTypes, payload }: ReturningQuery) {
  const matching = made.filter(({ time, user, type, isLamp }) => {
    if (time < from || time >= to) return false;
    if (userId !== undefined && USERS[user] !== userId) return false;
    if (eventTypes !== undefined && !eventTypes.includes(TYPES[type]!)) return false;
    return payload.length === 0 || isLamp;
  });
  const weekOf = ({ time }: Made) => weeks.findLastIndex((start) => start <= time);
  const weeksOf = [...Map.groupBy(matching, ({ user }) => user).values()].map(
    (own) => new Set(own.map(weekOf)),
  );
  return weeks.map((start, week) => {
    const cohort = weeksOf.filter((own) => Math.min(...own) === week);
    const returned = weeks
      .slice(week + 1)
      .map((_, at) => cohort.filter((own) => own.has(week + 1 + at)).length);
    return { start, users: cohort.length, returned };
  });
}

/** What must be told of users who return on every store. */
export function returningContract(open: () => Promise<StoreHarness>): void {
  it('counts exactly which users return in which week, each once, whatever came late', async () => {
    const time = fc.oneof(
      fc.integer({ min: -DAY_MS, max: END + DAY_MS }),
      fc.constantFrom(...WEEKS.flatMap((start) => [start - 1, start]), END - 1, END),
    );
    const made = fc.record({ time, user: fc.nat(3), type: fc.nat(1), isLamp: fc.boolean() });
    const query: fc.Arbitrary<ReturningQuery> = fc.record({
      weeks: fc.constant(WEEKS),
      from: fc.constantFrom(0, 1, 3 * DAY_MS),
      to: fc.constantFrom(END, END - 1, END - 3 * DAY_MS),
      userId: fc.constantFrom(undefined, undefined, 'a'),
      eventTypes: fc.constantFrom(undefined, undefined, ['BUY'], ['VIEW', 'NEVER', 'BUY']),
      payload: fc.constantFrom([], [], [{ path: ['productId'], operator: 'eq' as const, value: 'lamp' }]),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(made, { minLength: 5, maxLength: 10 }), { minLength: 2, maxLength: 2 }),
        fc.array(query, { minLength: 15, maxLength: 15 }),
        async (batches, queries) => {
          const { store: opened } = await open();
          for (const batch of batches) await claimAndStore(opened, batch.map(event));
          for (const asked of queries) {
            const found = await countReturning(opened, asked, UNLIMITED);
            expect([asked, found]).toEqual([asked, expectedOf(batches.flat(), asked)]);
          }
        },
      ),
      // Each example has a store of its own; the query says enough.
      { numRuns: 5, endOnFailure: true },
    );
  });
}
