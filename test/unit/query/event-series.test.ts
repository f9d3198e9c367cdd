import { describe, expect, it } from 'vitest';
import { COUNT_MOST, type CountLimits } from '../../../src/query/count-budget.ts';
import { countSeries, type SeriesQuery } from '../../../src/query/event-series.ts';
import { HOUR_MS } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { newBatch, newEvent, TOPIC } from '../../support/store-batches.ts';

const EVENTS = 60;
const MINUTE_MS = HOUR_MS / 60;

/** An event a minute of the first hour, each of a user of its own. */
async function filled(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.claim(TOPIC, [0]);
  const events = Array.from({ length: EVENTS }, (_, at) => {
    const [userId, time] = [`user-${at}`, at * MINUTE_MS];
    const timestamp = new Date(time).toISOString();
    const json = JSON.stringify({ userId, eventType: 'LOGIN', timestamp, payload: { at: `value ${at}` } });
    return newEvent({ userId, time, json });
  });
  await store.process([newBatch(events)]);
  return store;
}

const QUERY: SeriesQuery = {
  from: 0,
  to: HOUR_MS,
  by: 'userId',
  length: MINUTE_MS,
  payload: [],
  top: 10,
  withPrevious: false,
};
const BY_PAYLOAD = { ...QUERY, by: ['at'] };

function limits({
  most,
  ...given
}: { most?: Partial<CountLimits['most']> } & Partial<Omit<CountLimits, 'most'>>) {
  return { most: { ...COUNT_MOST, ...most }, reserve: () => {}, isWanted: () => true, ...given };
}

describe('a count of a series', () => {
  it.each([
    ['of whole hours, where the store counts', QUERY, { counted: EVENTS }],
    ['of whole hours, where payloads are read', BY_PAYLOAD, { read: EVENTS }],
    ['of a part of an hour', { ...QUERY, to: HOUR_MS - 1 }, { counted: EVENTS }],
    ['of a part of an hour, where payloads are read', { ...BY_PAYLOAD, to: HOUR_MS - 1 }, { read: EVENTS }],
    ['of a user', { ...QUERY, userId: 'user-1', by: undefined }, { counted: 1 }],
    ['of both periods together', { ...QUERY, from: HOUR_MS / 2, withPrevious: true }, { counted: EVENTS }],
  ])('%s takes as many events as it may, and refuses one more', async (_what, query, most) => {
    const store = await filled();
    await countSeries(store, query, limits({ most }));
    const less = Object.fromEntries(Object.entries(most).map(([name, events]) => [name, events - 1]));
    await expect(countSeries(store, query, limits({ most: less }))).rejects.toMatchObject({
      code: 'too_many_events',
    });
  });

  it.each([
    ['eventType', 'LOGIN'],
    [undefined, null],
  ] as const)(
    'takes whole hours by %s from kept counts, however many events they have',
    async (by, value) => {
      const { series } = await countSeries(
        await filled(),
        { ...QUERY, by, from: -HOUR_MS, length: HOUR_MS },
        limits({ most: { counted: 0 } }),
      );
      expect(series).toMatchObject([{ value, events: EVENTS }]);
    },
  );

  it('takes none from kept counts where the previous period begins within an hour', async () => {
    const query = { ...QUERY, by: undefined, from: 2 * HOUR_MS, to: 4.5 * HOUR_MS, length: HOUR_MS };
    const { previousCounts } = await countSeries(
      await filled(),
      { ...query, withPrevious: true },
      limits({}),
    );
    expect([...previousCounts]).toEqual([EVENTS / 2, EVENTS / 2, 0]);
  });

  it('reads no events where the store counts them, of some types and of a user', async () => {
    const store = await filled();
    store.readByTime = () => expect.unreachable('events are read');
    const query = { ...QUERY, by: 'eventType', eventTypes: ['LOGIN'] } as const;
    expect(await countSeries(store, query, limits({}))).toMatchObject({
      series: [{ value: 'LOGIN', events: EVENTS }],
    });
    expect(await countSeries(store, { ...query, userId: 'user-1' }, limits({}))).toMatchObject({
      series: [{ value: 'LOGIN', events: 1 }],
    });
  });

  it('refuses at once what the kept counts say is too much', async () => {
    const store = await filled();
    store.readByTime = () => expect.unreachable('events are read');
    const counted = countSeries(store, BY_PAYLOAD, limits({ most: { read: 10 } }));
    await expect(counted).rejects.toMatchObject({ code: 'too_many_events' });
  });

  it('reserves memory for its values, and refuses more than it may have', async () => {
    const store = await filled();
    let reserved = 0;
    const reserve = (bytes: number) => {
      reserved += bytes;
    };
    const { others } = await countSeries(store, BY_PAYLOAD, limits({ reserve }));
    expect(others.values).toBe(EVENTS - BY_PAYLOAD.top);
    const characters = Array.from({ length: EVENTS }, (_, at) => `value ${at}`).join('').length;
    expect(reserved).toBeGreaterThan(2 * characters);
    const tooMuch = countSeries(store, BY_PAYLOAD, limits({ most: { bytes: reserved - 1 } }));
    await expect(tooMuch).rejects.toMatchObject({ code: 'too_many_events' });
  });

  it('refuses more memory than it may have for what kept counts say, too', async () => {
    const query: SeriesQuery = { ...QUERY, by: 'eventType', length: HOUR_MS };
    const tooMuch = countSeries(await filled(), query, limits({ most: { bytes: 10 } }));
    await expect(tooMuch).rejects.toMatchObject({ code: 'too_many_events' });
  });

  it('ends once nobody waits for it', async () => {
    const store = await filled();
    let steps = 0;
    const isWanted = () => ++steps <= 2;
    const { series, others } = await countSeries(store, BY_PAYLOAD, limits({ isWanted }));
    expect(series.length + others.values).toBeLessThan(EVENTS);
  });
});
