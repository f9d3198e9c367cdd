import { describe, expect, it, vi } from 'vitest';
import { readTimePage, searchByTime, type TimeQuery, upToLatest } from '../../../src/query/time-query.ts';
import type { TimedEvent } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { PATIENCE_MS } from '../../support/patience.ts';
import { newEvent } from '../../support/store-batches.ts';
import { storing } from '../../support/storing.ts';

const ALL: TimeQuery = { order: 'asc', payload: [] };

/** An event that happened then, and says so in its payload. */
function eventAt(time: number) {
  const timestamp = new Date(time).toISOString();
  return newEvent({ time, json: JSON.stringify({ timestamp, payload: { time } }) });
}

const timesOf = (events: readonly TimedEvent[]) => events.map(({ json }) => JSON.parse(json).payload.time);

/** A store, and a way to store events of these times. */
async function ground(times: readonly number[]) {
  const store = new MemoryStore();
  const storeMore = await storing(store);
  const add = (more: readonly number[]) => storeMore(more.map(eventAt));
  await add(times);
  return { store, add };
}

/** The times of what is found, one event a step, while something is done after each. */
async function found(
  store: MemoryStore,
  query: TimeQuery,
  meanwhile?: () => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = [];
  for await (const { events } of searchByTime(store, query, 1)) {
    times.push(...timesOf(events));
    await meanwhile?.();
  }
  return times;
}

it('ends although later events arrive for as long as it reads', async () => {
  const { store, add } = await ground([1, 3, 2]);
  let next = 10;
  const meanwhile = () => add([next++]);
  expect(await found(store, await upToLatest(store, ALL), meanwhile)).toEqual([1, 2, 3]);
});

it('has nothing to read where there was nothing', async () => {
  const { store, add } = await ground([]);
  const query = await upToLatest(store, ALL);
  await add([5]);
  expect(await found(store, query)).toEqual([]);
  const fromSixOn = await upToLatest(store, { ...ALL, from: 6 });
  await add([7]);
  expect(await found(store, fromSixOn)).toEqual([]);
});

it('reads the latest first as it is', async () => {
  const { store } = await ground([1, 2]);
  const query: TimeQuery = { ...ALL, order: 'desc' };
  expect(await upToLatest(store, query)).toEqual(query);
  expect(await found(store, query)).toEqual([2, 1]);
});

describe('a page by time', () => {
  async function page(store: MemoryStore, query: Partial<TimeQuery>, limit = 2) {
    const { events, next } = await readTimePage(
      store,
      { ...ALL, ...query },
      { limit, patienceMs: PATIENCE_MS },
    );
    return { times: timesOf(events), next };
  }

  it('goes on behind the last event of the one before, in either order', async () => {
    const { store } = await ground([30, 10, 20, 20, 40]);
    const first = await page(store, {});
    expect(first).toEqual({ times: [10, 20], next: { time: 20, sequence: 3 } });
    const second = await page(store, { cursor: first.next });
    expect(second).toEqual({ times: [20, 30], next: { time: 30, sequence: 1 } });
    expect(await page(store, { cursor: second.next })).toEqual({ times: [40], next: undefined });
    const latest = await page(store, { order: 'desc' }, 3);
    expect(latest).toEqual({ times: [40, 30, 20], next: { time: 20, sequence: 4 } });
    const earlier = await page(store, { order: 'desc', cursor: latest.next }, 3);
    expect(earlier).toEqual({ times: [20, 10], next: undefined });
  });

  it('has only what is searched for', async () => {
    const { store } = await ground([30, 10, 20, 40]);
    expect(await page(store, { payload: [{ path: ['time'], operator: 'eq', value: '20' }] })).toMatchObject({
      times: [20],
    });
    expect(await page(store, { from: 20, to: 40 })).toEqual({ times: [20, 30], next: undefined });
    expect(await page(store, { from: 20, to: 20 })).toEqual({ times: [], next: undefined });
  });

  it('looks at one more than it holds, and only at its period, whatever the cursor', async () => {
    const { store } = await ground([30, 10, 20, 40]);
    const read = vi.spyOn(store, 'readByTime');
    const [from, to] = [
      { time: 20, sequence: 0 },
      { time: 40, sequence: 0 },
    ];
    const inside = { time: 20, sequence: 3 };
    const period = { from: from.time, to: to.time };
    await page(store, {});
    expect(read).toHaveBeenLastCalledWith(expect.objectContaining({ limit: 3 }));
    for (const [query, range] of [
      [{}, { after: from, before: to }],
      [{ cursor: { time: 10, sequence: 2 } }, { after: from, before: to }],
      [{ cursor: inside }, { after: inside, before: to }],
      [
        { order: 'desc', cursor: { time: 40, sequence: 4 } },
        { after: from, before: to },
      ],
      [
        { order: 'desc', cursor: inside },
        { after: from, before: inside },
      ],
    ] as const) {
      read.mockClear();
      await page(store, { ...period, ...query });
      expect(read.mock.calls[0]![0]).toMatchObject(range);
    }
  });
});
