import { randomUUID } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import { LiveTail } from '../../src/live-tail.ts';
import type { Selection } from '../../src/store/event-store.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';

const TOPIC = { group: 'g', topic: 't', topicId: 'id' };

class CountingStore extends MemoryStore {
  readonly reads: Selection[] = [];
  fails = false;

  override async read(selection: Selection) {
    this.reads.push(selection);
    if (this.fails) throw new Error('away');
    return super.read(selection);
  }
}

it('reads once for all who are behind at the same place, and for each filter by itself', async () => {
  const store = new CountingStore();
  const [claim] = await store.claim(TOPIC, [0]);
  const events = Array.from({ length: 20 }, (_, offset) => ({
    ...{ key: randomUUID(), userId: `u${offset % 2}`, eventType: 'LOGIN', offset, hour: 0, counted: [] },
    json: 'x'.repeat(10_000),
  }));
  await store.process([
    {
      ...{ ...TOPIC, partition: 0, epoch: claim!.epoch, fromOffset: null, nextOffset: 20, events },
      ...{ deadLetters: [], startOffset: 0, withoutRecord: 0, lost: 0, rewound: 0, landmarks: [] },
    },
  ]);
  const tail = new LiveTail(store, 1000);
  const leave = tail.join();
  onTestFinished(() => {
    leave();
    tail.stop();
  });
  await tail.begin();
  store.fails = true;
  await expect(tail.next(0, {})).rejects.toThrow('away');
  store.fails = false;
  store.reads.length = 0;
  const portions = await Promise.all(Array.from({ length: 100 }, () => tail.next(0, {})));
  expect(store.reads).toHaveLength(1);
  expect(portions[0]).toMatchObject({ reached: 7 });
  for (const { events: shared } of portions) expect(shared[0]).toBe(portions[0]!.events[0]);
  const own = await tail.next(0, { userId: 'u1' });
  expect(own.events.map(({ place }) => place)).toEqual([2, 4, 6, 8, 10, 12, 14]);
  expect((await tail.next(7, {})).events[0]!.place).toBe(8);
  expect(store.reads).toHaveLength(3);
});
