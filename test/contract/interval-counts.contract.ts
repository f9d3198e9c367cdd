import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  type EventStore,
  type EventToStore,
  HOUR_MS,
  type IntervalCount,
  type IntervalQuery,
} from '../../src/store/event-store.ts';
import { newEvent } from '../support/store-batches.ts';
import { claimAndStore } from '../support/storing.ts';
import type { StoreHarness } from './event-store.contract.ts';

const USERS = ['a', 'B', 'ä'];
const TYPES = ['LOGIN', 'LOGOUT', 'VIEW'];
const [FIRST_MS, END_MS] = [-62_135_596_800_000, 253_402_300_800_000];

type Made = [time: number, user: number, type: number];

function event([time, user, type]: Made): EventToStore {
  const key = randomUUID();
  const [userId, eventType] = [USERS[user]!, TYPES[type]!];
  const json = JSON.stringify({ key, userId, eventType });
  return newEvent({ key, userId, eventType, time, hour: Math.floor(time / HOUR_MS), json });
}

type Asked = Partial<IntervalQuery> & { from?: number; to?: number };

/** Step by step to the end. @param meanwhile after each step */
async function countAll(
  opened: EventStore,
  { from = FIRST_MS, to = END_MS, ...given }: Asked,
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<IntervalCount[]> {
  const [after, before] = [from, to].map((time) => ({ time, sequence: 0 }));
  const query: IntervalQuery = {
    after: after!,
    before: before!,
    origin: from,
    length: HOUR_MS,
    limit: 3,
    ...given,
  };
  const all: IntervalCount[] = [];
  for (;;) {
    const { counts, last } = await opened.counts.byInterval(query);
    const events = counts.reduce((sum, count) => sum + count.events, 0);
    expect(events).toBeLessThanOrEqual(query.limit);
    expect(last === undefined).toBe(events === 0);
    if (last === undefined) return added(all);
    all.push(...counts);
    query.after = last;
    await meanwhile();
  }
}

/** In one order, each interval and value once. */
function added(counts: readonly IntervalCount[]): IntervalCount[] {
  const groups = Map.groupBy(counts, ({ interval, value }) => JSON.stringify([interval, value]));
  return [...groups.values()]
    .map((group) => ({ ...group[0]!, events: group.reduce((sum, { events }) => sum + events, 0) }))
    .sort((a, b) => a.interval - b.interval || (String(a.value) < String(b.value) ? -1 : 1));
}

/** What counting by interval must do. */
export function intervalCountsContract(open: () => Promise<StoreHarness>): void {
  it('counts by interval and value what came late, what came at the same time and what was before 1970', async () => {
    const made = fc.tuple(
      fc.oneof(
        fc.constantFrom(FIRST_MS, -1, 0, 1, HOUR_MS - 1, HOUR_MS, 1_764_000_000_000, END_MS - 1),
        fc.integer({ min: -3 * HOUR_MS, max: 3 * HOUR_MS }),
      ),
      fc.nat(2),
      fc.nat(2),
    );
    const selections: Asked[] = [
      {},
      { by: 'userId' },
      { by: 'eventType', limit: 1000 },
      { userId: 'a' },
      { userId: 'ä', by: 'eventType', limit: 1 },
      { userId: 'nobody' },
      { eventType: 'VIEW' },
      { eventType: 'VIEW', by: 'userId' },
      { from: 0, to: HOUR_MS, by: 'userId', length: 60_000 },
      { from: 1, to: HOUR_MS - 1, origin: -HOUR_MS, by: 'eventType' },
      { from: -1, to: 1, origin: -2, length: 1, userId: 'B' },
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(made, { minLength: 1, maxLength: 12 }), { maxLength: 4 }),
        async (batches) => {
          const { store: opened } = await open();
          const events = batches.map((batch) => batch.map(event));
          for (const batch of events) await claimAndStore(opened, batch);
          for (const selection of selections) {
            const expected = expectedOf(events.flat(), selection);
            expect(await countAll(opened, selection)).toEqual(expected);
          }
        },
      ),
      { numRuns: 5 },
    );
  });

  it('counts once what was there at the beginning, and of what arrives meanwhile what is still ahead', async () => {
    const { store: opened } = await open();
    const minute = 60_000;
    await claimAndStore(
      opened,
      [7, 1, 5, 3, 9, 11].map((at) => event([at * minute, 0, 0])),
    );
    let steps = 0;
    const counts = await countAll(
      opened,
      { from: 0, to: 12 * minute, length: 12 * minute, userId: 'a', limit: 2 },
      async () => {
        if (++steps !== 2) return;
        await claimAndStore(opened, [
          event([0, 0, 0]),
          event([10 * minute, 0, 0]),
          event([13 * minute, 0, 0]),
        ]);
      },
    );
    expect(counts).toEqual([{ interval: 0, value: null, events: 7 }]);
  });

  it('counts many values, each once, and none twice that came again', async () => {
    const { store: opened } = await open();
    const events = Array.from({ length: 3000 }, (_, at) =>
      newEvent({ userId: `user-${at % 1500}`, time: at, hour: 0, eventType: at < 2000 ? 'FIRST' : 'SECOND' }),
    );
    await claimAndStore(opened, events);
    await claimAndStore(opened, events.slice(0, 100));
    const users = await countAll(opened, { from: 0, to: HOUR_MS, by: 'userId', limit: 700 });
    expect(users).toHaveLength(1500);
    expect(users.every((count) => count.events === 2)).toBe(true);
    expect(await countAll(opened, { from: 0, to: HOUR_MS, by: 'eventType', limit: 700 })).toEqual([
      { interval: 0, value: 'FIRST', events: 2000 },
      { interval: 0, value: 'SECOND', events: 1000 },
    ]);
  });
}

function expectedOf(events: readonly EventToStore[], selection: Asked): IntervalCount[] {
  const { from = FIRST_MS, to = END_MS, origin = from, length = HOUR_MS, by } = selection;
  return added(
    events
      .filter(({ time }) => time >= from && time < to)
      .filter(({ userId }) => selection.userId === undefined || userId === selection.userId)
      .filter(({ eventType }) => selection.eventType === undefined || eventType === selection.eventType)
      .map((one) => ({
        interval: Math.floor((one.time - origin) / length),
        value: by === undefined ? null : one[by],
        events: 1,
      })),
  );
}
