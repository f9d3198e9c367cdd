import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { MemoryStore } from '../../../../src/store/memory/memory-store.ts';
import { newEvent } from '../../../support/store-batches.ts';
import { storing } from '../../../support/storing.ts';

// What every store does is in test/contract.
it('the store in memory knows all of each event, however many there are', async () => {
  const store = new MemoryStore();
  const storeMore = await storing(store);
  const events = Array.from({ length: 4000 }, (_, offset) =>
    newEvent({
      key: randomUUID(),
      userId: `u${offset % 500}`,
      eventType: `T${offset}`,
      offset,
      time: -offset,
    }),
  );
  await storeMore(events);
  for (const offset of [0, 1023, 1024, 1535, 1536, 2304, 3999]) {
    const { key, userId, eventType, json } = events[offset]!;
    expect((await store.get([key])).get(key)).toMatchObject({ json, partition: 0, offset });
    const query = { order: 'asc', after: offset, upTo: offset + 1, limit: 1 } as const;
    const found = [{ sequence: offset + 1, json }];
    expect(await store.read({ ...query, userId })).toEqual(found);
    expect(await store.read({ ...query, eventTypes: [eventType] })).toEqual(found);
    const [after, before] = [-offset, 1 - offset].map((time) => ({ time, sequence: 0 })) as [never, never];
    expect(await store.readByTime({ order: 'asc', after, before, limit: 9 })).toMatchObject(found);
  }
  const { storedAt } = (await store.get([events[3999]!.key])).get(events[3999]!.key)!;
  expect(storedAt!.getTime()).toBeGreaterThan(0);
});
