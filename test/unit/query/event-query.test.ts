import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  createPredicate,
  type EventQuery,
  indexedFilter,
  readAll,
  readPage,
  search,
} from '../../../src/query/event-query.ts';
import { HOUR_MS, LONGEST_RANGE_MS, type StoredEvent } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { PATIENCE_MS } from '../../support/patience.ts';
import { replacing } from '../../support/replacing.ts';
import { stopClock } from '../../support/stopped-clock.ts';
import { storing } from '../../support/storing.ts';

const NOON = Date.parse('2024-02-14T12:00:00.000Z');
const ALL: EventQuery = { order: 'asc', payload: [] };

interface Sent {
  userId?: string;
  eventType?: string;
  at?: number;
  payload?: string;
}

/** An event as the store has it. */
function stored({ userId = 'u', eventType = 'LOGIN', at = NOON, payload = '{}' }: Sent) {
  const timestamp = new Date(at).toISOString();
  const members = JSON.stringify({ eventId: 'e', userId, eventType, timestamp });
  const json = `${members.slice(0, -1)},"payload":${payload}}`;
  return { userId, eventType, hour: Math.floor(at / HOUR_MS), json };
}

async function storeOf(events: readonly Sent[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  const storeMore = await storing(store);
  await storeMore(events.map(stored));
  return store;
}

const many = (count: number, sent: (number: number) => Sent = () => ({})) =>
  Array.from({ length: count }, (_, at) => sent(at + 1));

const placesOf = (events: readonly StoredEvent[]) => events.map(({ sequence }) => sequence);

function page(store: MemoryStore, query: Partial<EventQuery>, limit = 10) {
  return readPage(store, { ...ALL, ...query }, { limit, patienceMs: PATIENCE_MS });
}

/** The sequences of all that a search finds. */
async function found(store: MemoryStore, query: Partial<EventQuery>): Promise<number[]> {
  const steps = await Array.fromAsync(search(store, { ...ALL, ...query }));
  return placesOf(steps.flatMap(({ events }) => events));
}

describe('an event is meant', () => {
  const event = { sequence: 1, ...stored({ userId: 'alice', payload: '{"n":1.0,"a":{"b":"x"}}' }) };

  it.each<[Partial<EventQuery>, boolean]>([
    [{}, true],
    [{ userId: 'alice' }, true],
    [{ userId: 'bob' }, false],
    [{ userId: '' }, true],
    [{ eventTypes: ['LOGOUT', 'LOGIN'] }, true],
    [{ eventTypes: ['LOGOUT'] }, false],
    [{ eventTypes: [] }, false],
    [{ userId: 'alice', eventTypes: ['LOGOUT'] }, false],
    [{ from: NOON }, true],
    [{ from: NOON + 1 }, false],
    [{ to: NOON + 1 }, true],
    [{ to: NOON }, false],
    [{ payload: [{ path: ['n'], operator: 'eq', value: '1' }] }, true],
    [{ payload: [{ path: ['n'], operator: 'eq', value: '1.0' }] }, true],
    [{ payload: [{ path: ['n'], operator: 'eq', value: '2' }] }, false],
    [
      {
        payload: [
          { path: ['n'], operator: 'eq', value: '1' },
          { path: ['a', 'b'], operator: 'eq', value: 'y' },
        ],
      },
      false,
    ],
  ])('by %j: %s', (filter, is) => {
    expect(createPredicate({ ...ALL, ...filter })(event)).toBe(is);
    // What was read once says the same again.
    expect(createPredicate({ ...ALL, ...filter })(event)).toBe(is);
  });

  it('without being read where all are', () => {
    expect(createPredicate(ALL)({ sequence: 1, json: 'not looked at' })).toBe(true);
  });

  it('after it was parsed once, however many look at it', () => {
    const parse = vi.spyOn(JSON, 'parse');
    onTestFinished(() => parse.mockRestore());
    const looked = { sequence: 1, ...stored({ userId: 'alice' }) };
    for (const userId of ['alice', 'bob']) createPredicate({ ...ALL, userId })(looked);
    expect(parse).toHaveBeenCalledTimes(1);
  });

  it.each<[Partial<EventQuery>, object]>([
    [{}, {}],
    [{ userId: 'u', eventTypes: ['T'] }, { userId: 'u' }],
    [{ eventTypes: ['T'] }, { eventTypes: ['T'] }],
  ])('and the store is asked by what it has an index for: of %j by %j', (filter, asked) => {
    expect(indexedFilter({ ...ALL, ...filter })).toEqual(asked);
  });
});

describe('a search', () => {
  const days = many(72, (number) => ({ at: NOON + number * HOUR_MS, userId: `u${number % 3}` }));

  it('finds what is meant, in either order, from a cursor on', async () => {
    const store = await storeOf(days);
    expect(await found(store, { userId: 'u1' })).toEqual(
      days.map((_, at) => at + 1).filter((n) => n % 3 === 1),
    );
    expect(await found(store, { cursor: 70 })).toEqual([71, 72]);
    expect(await found(store, { order: 'desc', cursor: 3 })).toEqual([2, 1]);
    expect((await found(store, { order: 'desc' })).slice(0, 2)).toEqual([72, 71]);
    expect(await found(store, { cursor: 72 })).toEqual([]);
    expect(await found(store, { cursor: 1000 })).toEqual([]);
    expect(await found(store, { order: 'desc', cursor: 1000 })).toHaveLength(72);
    expect(await found(store, { order: 'desc', cursor: 1 })).toEqual([]);
  });

  it('looks only at the hours in which there may be any', async () => {
    const store = await storeOf(days);
    const read = vi.spyOn(store, 'read');
    const from = NOON + 20 * HOUR_MS;
    expect(await found(store, { from, to: from + 3 * HOUR_MS })).toEqual([20, 21, 22]);
    expect(read.mock.calls[0]![0].times).toEqual({ from, to: from + 3 * HOUR_MS });
    expect(await found(store, { from, to: from + 3 * HOUR_MS, eventTypes: ['LOGIN', 'LOGOUT'] })).toEqual(
      (await found(store, { eventTypes: ['LOGIN', 'LOGOUT'] })).filter((place) => place >= 20 && place <= 22),
    );
    expect(read.mock.lastCall![0].times).toBeUndefined();
    expect(await found(store, { from, to: from })).toEqual([]);
    expect(await found(store, { from, to: from + 200 * HOUR_MS })).toEqual(
      await found(store, { cursor: 19 }),
    );
    expect(read.mock.calls.some(([{ times, after }]) => times === undefined && after === 19)).toBe(true);
    read.mockClear();
    expect(await found(store, { to: NOON + 3 * HOUR_MS })).toEqual([1, 2]);
    expect(read.mock.calls[0]![0]).toMatchObject({ after: 0, upTo: 2 });
    expect(await found(store, { from: from + 1, to: from + 3 * HOUR_MS + 1 })).toEqual([21, 22, 23]);
    expect(await found(store, { to: NOON + HOUR_MS })).toEqual([]);
    expect(await found(store, { from: NOON + 72 * HOUR_MS })).toEqual([72]);
    expect(await found(store, { from, to: from + 3 * HOUR_MS, cursor: 20 })).toEqual([21, 22]);
    expect(await found(store, { from, to: from + 3 * HOUR_MS, order: 'desc', cursor: 22 })).toEqual([21, 20]);
    const steps = read.mock.calls.length;
    expect(await found(store, { from: NOON + 100 * HOUR_MS })).toEqual([]);
    expect(read.mock.calls.length).toBe(steps);
  });

  it.each<[Partial<EventQuery>, boolean]>([
    [{ from: NOON, to: NOON + LONGEST_RANGE_MS }, true],
    [{ from: NOON, to: NOON + LONGEST_RANGE_MS + 1 }, false],
    [{ from: NOON, to: NOON }, false],
    [{ from: NOON }, false],
    [{ to: NOON + HOUR_MS }, false],
    [{ from: NOON, to: NOON + HOUR_MS, userId: 'u1' }, false],
    [{ from: NOON, to: NOON + HOUR_MS, eventTypes: ['LOGIN'] }, false],
  ])('asks for the times of a few days and nothing else: %j: %s', async (query, is) => {
    const store = await storeOf([{}, ...days]);
    const read = vi.spyOn(store, 'read');
    const hours = vi.spyOn(store.counts, 'sequenceRange');
    await page(store, query, 5);
    expect(read.mock.calls[0]?.[0].times).toEqual(is ? { from: query.from, to: query.to } : undefined);
    expect(read.mock.calls[0]?.[0].limit === 6).toBe(is);
    expect(hours).toHaveBeenCalledTimes(is ? 0 : 1);
  });

  it('asks for no counts where no hours are given: a store may have to count first', async () => {
    const store = await storeOf(days);
    const asked = vi.spyOn(store.counts, 'sequenceRange');
    await found(store, { userId: 'u1' });
    expect(asked).not.toHaveBeenCalled();
  });

  it('ends before what earlier sequences may still join, oldest first, and not latest first', async () => {
    const store = await storeOf(many(9));
    const watermarks = async () => ({ latest: 9, stable: 6 });
    const unsettled = replacing(store, 'watermarks', () => watermarks);
    expect(await found(unsettled, {})).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await found(unsettled, { order: 'desc' })).toHaveLength(9);
    expect((await page(unsettled, {})).scannedUpTo).toBe(6);
    expect((await page(unsettled, { cursor: 7 })).scannedUpTo).toBe(7);
  });

  it('takes larger steps where events are small, and smaller ones where they are large', async () => {
    const small = await storeOf(many(3000));
    const read = vi.spyOn(small, 'read');
    await found(small, {});
    expect(read.mock.calls.map(([{ limit }]) => limit)).toEqual([16, 64, 256, 1000, 1000, 1000]);
    const large = await storeOf(many(40, () => ({ payload: `{"a":"${'x'.repeat(99_900)}"}` })));
    const readLarge = vi.spyOn(large, 'read');
    await found(large, {});
    expect(new Set(readLarge.mock.calls.slice(1).map(([{ limit }]) => limit))).toEqual(new Set([4]));
    const huge = await storeOf(many(3, () => ({ payload: `{"a":"${'x'.repeat(600_000)}"}` })));
    expect(await found(huge, {})).toEqual([1, 2, 3]);
  });
});

describe('a page', () => {
  it('is full at its limit, and says where the next one begins', async () => {
    const store = await storeOf(many(25, (number) => ({ userId: `u${number % 2}` })));
    const first = await page(store, {});
    expect([placesOf(first.events).at(-1), first.events.length, first.next, first.scannedUpTo]).toEqual([
      10, 10, 10, 10,
    ]);
    const last = await page(store, { cursor: 15 });
    expect([last.events.length, last.next, last.scannedUpTo]).toEqual([10, undefined, 25]);
    const back = await page(store, { order: 'desc', userId: 'u1' }, 3);
    expect([placesOf(back.events), back.next]).toEqual([[25, 23, 21], 21]);
  });

  it('looks at one more than it holds where the store finds only what is meant', async () => {
    const store = await storeOf(many(200, (number) => ({ userId: `u${number % 2}` })));
    const read = vi.spyOn(store, 'read');
    const limits = async (query: Partial<EventQuery>, limit = 3) => {
      read.mockClear();
      await page(store, query, limit);
      return read.mock.calls[0]![0].limit;
    };
    expect(await limits({})).toBe(4);
    expect(await limits({ userId: 'u1' })).toBe(4);
    expect(await limits({ eventTypes: ['LOGIN'] })).toBe(4);
    expect(await limits({ userId: 'u1', eventTypes: ['LOGIN'] })).toBe(16);
    expect(await limits({ from: 0 })).toBe(16);
    expect(await limits({ to: NOON + 1 })).toBe(16);
    expect(await limits({ from: NOON - 72 * HOUR_MS, to: NOON + 72 * HOUR_MS })).toBe(4);
    expect(await limits({ payload: [{ path: ['a'], operator: 'eq', value: '1' }] })).toBe(16);
  });

  it('ends early where it holds two million characters', async () => {
    const store = await storeOf(many(30, () => ({ payload: `{"a":"${'x'.repeat(200_000)}"}` })));
    const { events, next, scannedUpTo } = await page(store, {}, 30);
    expect(events.length).toBeGreaterThan(9);
    expect(events.length).toBeLessThan(30);
    expect([next, scannedUpTo]).toEqual([events.length, events.length]);
  });

  it('is given out when patience ends, with how far it has looked', async () => {
    stopClock();
    const store = await storeOf(many(100, (number) => ({ payload: `{"n":${number}}` })));
    const slow = replacing(store, 'read', (real) => async (selected) => {
      vi.advanceTimersByTime(600);
      return real(selected);
    });
    const query: EventQuery = { ...ALL, payload: [{ path: ['n'], operator: 'eq', value: '1' }] };
    const found = await readPage(slow, query, { limit: 10, patienceMs: 1000 });
    expect([placesOf(found.events), found.next, found.scannedUpTo]).toEqual([[1], 80, 80]);
    const inTime = await readPage(slow, query, { limit: 10, patienceMs: 1800 });
    expect([placesOf(inTime.events), inTime.next, inTime.scannedUpTo]).toEqual([[1], undefined, 100]);
  });
});

describe('all events', () => {
  it('are those that were stored when they were asked for', async () => {
    const store = await storeOf(many(100));
    const watermarks = async () => ({ latest: 90, stable: 20 });
    const pages = await Array.fromAsync(readAll(replacing(store, 'watermarks', () => watermarks)));
    expect(placesOf(pages.flat())).toEqual(many(90).map((_, at) => at + 1));
  });

  it('end where the store has lost the rest meanwhile', async () => {
    const store = await storeOf(many(10));
    const watermarks = async () => ({ latest: 90, stable: 90 });
    const pages = await Array.fromAsync(readAll(replacing(store, 'watermarks', () => watermarks)));
    expect(pages.flat()).toHaveLength(10);
  });
});
