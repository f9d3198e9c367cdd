import fc from 'fast-check';
import { it } from 'vitest';
import { countReturning, type ReturningQuery } from '../../src/query/returning-users.ts';
import { DAY_MS, HOUR_MS } from '../../src/store/event-store.ts';
import { UNLIMITED } from '../support/counted-events.ts';
import type { StoreHarness } from './event-store.contract.ts';
import {
  eventsOf,
  expectExactAnswers,
  filters,
  isLamp,
  LAMP,
  LAMPS_AND_CHAIRS,
  type Made,
  matching,
} from './exact-answers.ts';

/** One week is an hour shorter, one an hour longer. */
const WEEKS = [0, 7, 14, 21].map((days, at) => days * DAY_MS - [0, 1, 1, 0][at]! * HOUR_MS);
const END = 28 * DAY_MS;

function expectedOf(made: readonly Made[], query: ReturningQuery) {
  const { from, to, weeks } = query;
  const counted = matching(made, query, isLamp).filter(({ time }) => time >= from && time < to);
  const weekOf = ({ time }: Made) => weeks.findLastIndex((start) => start <= time);
  const weeksOf = [...Map.groupBy(counted, ({ userId }) => userId).values()].map(
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
    await expectExactAnswers<ReturningQuery>(open, {
      made: eventsOf(time, ['a', 'b', 'ä', 'd'], ['VIEW', 'BUY'], LAMPS_AND_CHAIRS),
      batch: { minLength: 5, maxLength: 10 },
      batches: { minLength: 2, maxLength: 2 },
      query: fc.record({
        weeks: fc.constant(WEEKS),
        from: fc.constantFrom(0, 1, 3 * DAY_MS),
        to: fc.constantFrom(END, END - 1, END - 3 * DAY_MS),
        ...filters('a', ['BUY', 'NEVER', 'VIEW'], LAMP),
      }),
      queries: 15,
      answering: (store) => (asked) => countReturning(store, asked, UNLIMITED),
      expectedOf,
    });
  });
}
