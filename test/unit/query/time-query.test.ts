import { expect, it } from 'vitest';
import { searchByTime, type TimeQuery, upToLatest } from '../../../src/query/time-query.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { newEvent } from '../../support/store-batches.ts';
import { storing } from '../../support/storing.ts';

const ALL: TimeQuery = { order: 'asc', payload: [] };

/** A store, and a way to store events of these times. */
async function ground(times: readonly number[]) {
  const store = new MemoryStore();
  const storeMore = await storing(store);
  const add = (more: readonly number[]) => storeMore(more.map((time) => newEvent({ time, json: `${time}` })));
  await add(times);
  return { store, add };
}

/** The times of what is found, one event a step, while something is done after each. */
async function found(
  store: MemoryStore,
  query: TimeQuery,
  meanwhile?: () => Promise<unknown>,
): Promise<string[]> {
  const times: string[] = [];
  for await (const { events } of searchByTime(store, query, 1)) {
    times.push(...events.map(({ json }) => json));
    await meanwhile?.();
  }
  return times;
}

it('ends although later events arrive for as long as it reads', async () => {
  const { store, add } = await ground([1, 3, 2]);
  let next = 10;
  const meanwhile = () => add([next++]);
  expect(await found(store, await upToLatest(store, ALL), meanwhile)).toEqual(['1', '2', '3']);
});

it('has nothing to read where there was nothing', async () => {
  const { store, add } = await ground([5]);
  const query = await upToLatest(store, { ...ALL, from: 6 });
  await add([7]);
  expect(await found(store, query)).toEqual([]);
});

it('reads the latest first as it is', async () => {
  const { store } = await ground([1, 2]);
  const query: TimeQuery = { ...ALL, order: 'desc' };
  expect(await upToLatest(store, query)).toEqual(query);
  expect(await found(store, query)).toEqual(['2', '1']);
});
