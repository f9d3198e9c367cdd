import { expect, it } from 'vitest';
import { countReturning } from '../../../src/query/returning-users.ts';
import { DAY_MS } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { eventAt, UNLIMITED } from '../../support/counted-events.ts';
import { claimAndStore } from '../../support/storing.ts';

const WEEK_MS = 7 * DAY_MS;
const WEEKS = [0, 1, 2, 3].map((week) => week * WEEK_MS);

it('counts a user in the week of the first event, and once in each week after that has one', async () => {
  const store = new MemoryStore();
  const weeksOf = { ada: [1, 2, 2, 3], bob: [0, 3], cid: [2] };
  const events = Object.entries(weeksOf).flatMap(([user, weeks]) =>
    weeks.map((week, at) => eventAt(week * WEEK_MS + at * DAY_MS, user, at % 2 === 0 ? 'VIEW' : 'BUY', '{}')),
  );
  await claimAndStore(store, events);
  const query = { from: 0, to: 4 * WEEK_MS, weeks: WEEKS, payload: [], eventTypes: ['VIEW', 'BUY'] };
  const cohorts = await countReturning(store, query, UNLIMITED);
  expect(cohorts.map(({ start, users, returned }) => [start, users, ...returned])).toEqual([
    [WEEKS[0], 1, 0, 0, 1],
    [WEEKS[1], 1, 1, 1],
    [WEEKS[2], 1, 0],
    [WEEKS[3], 0],
  ]);
});
