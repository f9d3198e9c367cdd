import { describe, expect, it } from 'vitest';
import { COUNT_MOST, type CountLimits } from '../../../src/query/count-budget.ts';
import { type DifferenceQuery, findDifference } from '../../../src/query/event-difference.ts';
import { KeptValues } from '../../../src/query/kept-values.ts';
import { HOUR_MS } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { newBatch, newEvent, TOPIC } from '../../support/store-batches.ts';

/** Events of the same length apart, over an hour and the hour before. */
async function filled(count: number, userOf: (at: number) => string): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.claim(TOPIC, [0]);
  const events = Array.from({ length: count }, (_, at) => {
    const time = Math.floor(((at * 2) / count - 1) * HOUR_MS);
    const userId = userOf(at);
    const json = JSON.stringify({ userId, eventType: 'LOGIN', payload: {} });
    return newEvent({ userId, time, hour: Math.floor(time / HOUR_MS), json });
  });
  await store.process([newBatch(events)]);
  return store;
}

const QUERY: DifferenceQuery = {
  from: 0,
  to: HOUR_MS,
  baselineFrom: -HOUR_MS,
  baselineTo: HOUR_MS,
  payload: [],
  top: 10,
};

function limits({
  most,
  ...given
}: { most?: Partial<CountLimits['most']> } & Partial<Omit<CountLimits, 'most'>> = {}): CountLimits {
  return { most: { ...COUNT_MOST, ...most }, reserve: () => {}, isWanted: () => true, ...given };
}

describe('a difference', () => {
  it('is exact where there are more different values than are counted at a time, and says from where on', async () => {
    const count = 24_000;
    // Most users have one event; every tenth event of the second half is of one user.
    const store = await filled(count, (at) => (at >= count / 2 && at % 10 === 0 ? 'busy' : `user-${at}`));
    const { events, baselineEvents, comparedFrom, values } = await findDifference(
      store,
      QUERY,
      limits(),
      new KeptValues(),
    );
    expect([events, baselineEvents]).toEqual([count / 2, count / 2]);
    expect(comparedFrom).toBeGreaterThan(1);
    expect(values).toEqual([{ name: 'userId', value: 'busy', events: count / 20, baselineEvents: 0 }]);
  });

  it('takes as many events as it may, and refuses one more at once', async () => {
    const store = await filled(100, (at) => `user-${at}`);
    await findDifference(store, QUERY, limits({ most: { read: 100 } }), new KeptValues());
    store.readByTime = () => expect.unreachable('events are read');
    await expect(
      findDifference(store, QUERY, limits({ most: { read: 99 } }), new KeptValues()),
    ).rejects.toMatchObject({
      code: 'too_many_events',
    });
  });

  it('reserves memory for its values, and refuses more than it may have', async () => {
    const store = await filled(1000, (at) => `user-${at}`);
    let reserved = 0;
    const reserve = (bytes: number) => {
      reserved += bytes;
    };
    await findDifference(store, QUERY, limits({ reserve }), new KeptValues());
    expect(reserved).toBeGreaterThan(500 * 'user-500'.length);
    const tooMuch = findDifference(store, QUERY, limits({ most: { bytes: reserved - 1 } }), new KeptValues());
    await expect(tooMuch).rejects.toMatchObject({ code: 'too_many_events' });
  });

  it('ends once nobody waits for it', async () => {
    const store = await filled(1000, (at) => `user-${at}`);
    let steps = 0;
    const { events } = await findDifference(
      store,
      QUERY,
      limits({ isWanted: () => ++steps <= 2 }),
      new KeptValues(),
    );
    expect(events).toBeLessThan(500);
  });

  it('lists types before users, users before payloads, where their shares differ as much', async () => {
    const store = new MemoryStore();
    await store.claim(TOPIC, [0]);
    const one = { userId: 'z', eventType: 'A', payload: { b: 1, a: [1], c: 'x', '!': 1 } };
    await store.process([newBatch([newEvent({ userId: 'z', eventType: 'A', json: JSON.stringify(one) })])]);
    const { values } = await findDifference(store, QUERY, limits(), new KeptValues());
    expect(values.map(({ name, value }) => `${name}=${value}`)).toEqual([
      'eventType=A',
      'userId=z',
      'payload.!=1',
      'payload.b=1',
      'payload.c=x',
      'payload.![exists]=true',
      'payload.a[exists]=true',
      'payload.b[exists]=true',
      'payload.c[exists]=true',
    ]);
  });

  it('lists values in their order where their shares differ as much', async () => {
    const names = ['c', 'a', 'd', 'b'];
    const store = await filled(8, (at) => names[at % 4]! + Math.floor(at / 4));
    const { values } = await findDifference(store, QUERY, limits(), new KeptValues());
    expect(values.map(({ value }) => value)).toEqual(['a1', 'b1', 'c1', 'd1']);
  });
});
