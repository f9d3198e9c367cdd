import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  type EventStore,
  type EventToStore,
  HOUR_MS,
  READ_BYTES,
  type TimedEvent,
  type TimePlace,
  type TimeReadQuery,
} from '../../src/store/event-store.ts';
import { newEvent } from '../support/store-batches.ts';
import { claimAndStore } from '../support/storing.ts';
import type { StoreHarness } from './event-store.contract.ts';

const FIRST: TimePlace = { time: -8.64e15, sequence: 0 };
const END: TimePlace = { time: 8.64e15, sequence: 0 };
const USERS = ['a', 'b', 'c'];
const TYPES = ['LOGIN', 'LOGOUT', 'VIEW'];

type Made = [time: number, user: number, type: number];

function event([time, user, type]: Made): EventToStore {
  const key = randomUUID();
  const [userId, eventType] = [USERS[user]!, TYPES[type]!];
  const json = JSON.stringify({ key, userId, eventType, time });
  return newEvent({ key, userId, eventType, time, hour: Math.floor(time / HOUR_MS), json });
}

/** Page by page to the end. @param meanwhile after each page */
async function readAll(
  from: EventStore,
  given: Partial<TimeReadQuery>,
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<TimedEvent[]> {
  const query: TimeReadQuery = { order: 'asc', after: FIRST, before: END, limit: 3, ...given };
  const all: TimedEvent[] = [];
  for (;;) {
    const page = await from.readByTime(query);
    const last = page.at(-1);
    if (last === undefined) return all;
    all.push(...page);
    const place = { time: last.time, sequence: last.sequence };
    if (query.order === 'asc') query.after = place;
    else query.before = place;
    await meanwhile();
  }
}

const texts = (events: readonly { json: string }[]) => events.map(({ json }) => json);
/** Of one time: as they were stored, which sorting keeps. */
const byTime = (events: readonly EventToStore[]) => [...events].sort((a, b) => a.time - b.time);

/** What reading in the order of time must do. */
export function timeOrderContract(open: () => Promise<StoreHarness>): void {
  it('reads by time what came late, what came at the same time and what was before 1970, whatever is selected', async () => {
    const made = fc.tuple(
      fc.constantFrom(-62_135_596_800_000, -1, 0, 1, 3, 1_764_000_000_000, 253_402_300_799_999),
      fc.nat(2),
      fc.nat(2),
    );
    const selections: [Partial<TimeReadQuery>, (event: EventToStore) => boolean][] = [
      [{}, () => true],
      [{ userId: 'a' }, ({ userId }) => userId === 'a'],
      [{ eventTypes: ['VIEW', 'NEVER', 'LOGIN'] }, ({ eventType }) => eventType !== 'LOGOUT'],
      [{ after: { time: 0, sequence: 0 } }, ({ time }) => time >= 0],
      [{ before: { time: 3, sequence: 0 }, userId: 'b' }, ({ time, userId }) => time < 3 && userId === 'b'],
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(made, { minLength: 1, maxLength: 12 }), { maxLength: 4 }),
        async (batches) => {
          const { store: opened } = await open();
          const events = batches.map((batch) => batch.map(event));
          for (const batch of events) await claimAndStore(opened, batch);
          for (const [selection, isSelected] of selections) {
            const expected = texts(byTime(events.flat().filter(isSelected)));
            expect(texts(await readAll(opened, selection))).toEqual(expected);
            expect(texts(await readAll(opened, { ...selection, order: 'desc' }))).toEqual(
              expected.toReversed(),
            );
          }
        },
      ),
      { numRuns: 5 },
    );
  });

  it('shows once what was there at the beginning, and of what arrives meanwhile what is still ahead', async () => {
    for (const order of ['asc', 'desc'] as const) {
      const { store: opened } = await open();
      const before = Array.from({ length: 12 }, (_, at) => event([(at * 7) % 12, 0, 0]));
      await claimAndStore(opened, before);
      let pages = 0;
      const late: EventToStore[] = [];
      const read = await readAll(opened, { order, userId: 'a' }, async () => {
        if (++pages !== 2) return;
        late.push(event([0, 0, 0]), event([5, 0, 0]), event([11, 0, 0]));
        await claimAndStore(opened, late);
      });
      // After two pages of three: behind it is one end, ahead the other.
      const ahead = late[order === 'asc' ? 2 : 0]!;
      const expected = texts(byTime([...before, ahead]));
      const seen = texts(read).filter((json) => json !== late[1]!.json);
      expect(seen).toEqual(order === 'asc' ? expected : expected.toReversed());
      expect(new Set(texts(read)).size).toBe(read.length);
    }
  });

  it('knows how many events a user has, and when the first and the latest happened, whatever came first', async () => {
    const { store: opened } = await open();
    await claimAndStore(opened, [event([20, 0, 0]), event([-5, 0, 1]), event([7, 1, 0])]);
    await claimAndStore(opened, [event([10, 0, 2])]);
    expect(await opened.counts.ofUser('a')).toEqual({ events: 3, first: -5, latest: 20 });
    expect(await opened.counts.ofUser('b')).toEqual({ events: 1, first: 7, latest: 7 });
    expect(await opened.counts.ofUser('nobody')).toEqual({ events: 0, first: null, latest: null });
  });

  it('reads as many at once by time as are asked for', async () => {
    const { store: opened } = await open();
    await claimAndStore(
      opened,
      [3, 1, 2, 1].map((time): EventToStore => event([time, 0, 0])),
    );
    for (const [limit, times] of [
      [1, [1]],
      [3, [1, 1, 2]],
      [9, [1, 1, 2, 3]],
    ] as const) {
      const query: TimeReadQuery = { order: 'asc', after: FIRST, before: END, limit };
      for (const selection of [{}, { eventTypes: ['LOGIN', 'VIEW'] }, { userId: 'a' }]) {
        const read = await opened.readByTime({ ...query, ...selection });
        expect(read.map(({ time }) => time)).toEqual(times);
      }
    }
  });

  it('reads no more at once by time than fits memory well', async () => {
    const { store: opened } = await open();
    const large = Array.from({ length: 4 }, (_, at) =>
      newEvent({ time: at, json: `{"at":${at},"text":"${'x'.repeat(READ_BYTES / 2)}"}` }),
    );
    await claimAndStore(opened, large);
    const first = await opened.readByTime({ order: 'desc', after: FIRST, before: END, limit: 100 });
    expect(first.length).toBeLessThan(4);
    expect(texts(await readAll(opened, { order: 'desc', limit: 100 }))).toEqual(texts(large.toReversed()));
  });
}
