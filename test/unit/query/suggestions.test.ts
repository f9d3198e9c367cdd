import { describe, expect, it } from 'vitest';
import {
  knownValues,
  LATEST_EVENTS,
  latestProperties,
  latestValues,
  type Suggestions,
} from '../../../src/query/suggestions.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { eventAt } from '../../support/counted-events.ts';
import { claimAndStore } from '../../support/storing.ts';
import { turnsDuring } from '../../support/turns-during.ts';

const ALL = { prefix: '', limit: 10 };
const LONG = 'x'.repeat(256);

/** A store of an event for each payload, as JSON. */
async function stored(payloads: readonly string[], userIds: readonly string[] = ['ada']) {
  const store = new MemoryStore();
  const events = payloads.map((payload, at) => eventAt(at, userIds[at % userIds.length]!, 'VIEW', payload));
  await claimAndStore(store, events);
  return store;
}

/** In short. */
const plain = ({ values }: Suggestions) => values.map(({ value, events }) => [value, events]);

describe('suggestions from all that is known', () => {
  it('start with what was typed, in order, and are not counted', async () => {
    const store = await stored(['{}', '{}', '{}', '{}'], ['bea', 'ada', 'bob', 'cid']);
    const suggested = (prefix: string, limit: number) => knownValues(store, 'userId', { prefix, limit });
    expect(await suggested('b', 9)).toEqual({
      values: [{ value: 'bea' }, { value: 'bob' }],
      latestEvents: null,
    });
    expect(await suggested('', 3)).toMatchObject({
      values: [{ value: 'ada' }, { value: 'bea' }, { value: 'bob' }],
    });
  });
});

describe('suggestions from the latest events', () => {
  it('are the most frequent first, and in order where they are as frequent', async () => {
    const devices = ['tv', 'phone', 'pad', 'tv'].map((device) => `{"a":{"device":"${device}"}}`);
    const store = await stored([...devices, '{"a":{}}', '{"device":"no"}']);
    const suggested = (prefix: string, limit: number) =>
      latestValues(store, ['a', 'device'], { prefix, limit });
    const all = [
      ['tv', 2],
      ['pad', 1],
      ['phone', 1],
    ];
    expect(plain(await suggested('', 10))).toEqual(all);
    expect(plain(await suggested('', 2))).toEqual(all.slice(0, 2));
    expect(plain(await suggested('p', 10))).toEqual(all.slice(1));
  });

  it('are numbers as they were sent', async () => {
    const store = await stored(['{"n":9007199254740993}', '{"n":1.50}', '{"n":"1.5"}']);
    expect(plain(await latestValues(store, ['n'], ALL))).toEqual([
      ['1.5', 2],
      ['9007199254740993', 1],
    ]);
  });

  it('are no texts that no filter finds', async () => {
    const store = await stored([`{"a":"${LONG}"}`, '{"a":"x\\u0000"}', '{"a":"x"}']);
    expect(plain(await latestValues(store, ['a'], ALL))).toEqual([['x', 1]]);
    expect(plain(await latestProperties(store, [LONG], ALL))).toEqual([['a', 3]]);
  });

  it('are names of members, then those that are only described', async () => {
    const store = await stored(['{"cart":{"price":1}}', '{"device":1,"cart":{"price":1}}']);
    const suggested = (prefix: string) =>
      latestProperties(store, ['coupon', 'device', 'cart.currency'], { prefix, limit: 10 });
    expect(plain(await suggested(''))).toEqual([
      ['cart.price', 2],
      ['device', 1],
      ['cart.currency', 0],
      ['coupon', 0],
    ]);
    expect(plain(await suggested('cart'))).toEqual([
      ['cart.price', 2],
      ['cart.currency', 0],
    ]);
  });

  it('are those of a thousand events, and of fewer where events are large', async () => {
    const small = ['{"old":1}', ...Array.from({ length: LATEST_EVENTS }, () => '{"new":1}')];
    expect(await latestProperties(await stored(small), [], ALL)).toEqual({
      values: [{ value: 'new', events: LATEST_EVENTS }],
      latestEvents: LATEST_EVENTS,
    });
    const large = Array.from({ length: 10 }, () => JSON.stringify({ text: 'x'.repeat(100_000) }));
    const { latestEvents } = await latestProperties(await stored(large), [], ALL);
    expect(latestEvents).toBeGreaterThan(1);
    expect(latestEvents).toBeLessThan(10);
  });

  it('are a thousand of one event at most', async () => {
    const members = Array.from({ length: 1001 }, (_, at) => [`member ${at}`, 1]);
    const store = await stored([JSON.stringify(Object.fromEntries(members))]);
    const { values } = await latestProperties(store, [], { prefix: '', limit: 2000 });
    expect(values).toHaveLength(1000);
  });

  it('leave turns to others, the more the larger the events are', async () => {
    const turnsFor = async (characters: number) => {
      const store = await stored(Array.from({ length: 20 }, () => `{"text":"${'x'.repeat(characters)}"}`));
      return turnsDuring(latestProperties(store, [], ALL));
    };
    expect(await turnsFor(1)).toBeLessThan(5);
    expect(await turnsFor(3000)).toBeGreaterThanOrEqual(6);
    expect(await turnsFor(6000)).toBeGreaterThanOrEqual(20);
  });
});
