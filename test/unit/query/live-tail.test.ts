import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { LiveTail, type TailPosition } from '../../../src/query/live-tail.ts';
import { openSqliteFile } from '../../../src/sqlite/sqlite-file.ts';
import type { Selection } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { storing } from '../../support/storing.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const at = (place: number) => ({ place, rewinds: 0 });

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
  const storeMore = await storing(store);
  await storeMore(
    Array.from({ length: 20 }, (_, offset) => ({ userId: `u${offset % 2}`, json: 'x'.repeat(10_000) })),
  );
  const tail = new LiveTail({ store, heartbeatMs: 1000, clock: systemClock });
  const leave = tail.join();
  onTestFinished(() => {
    leave();
    tail.stop();
  });
  await tail.begin();
  store.fails = true;
  await expect(tail.next(at(0), {})).rejects.toThrow('away');
  store.fails = false;
  store.reads.length = 0;
  const portions = await Promise.all(Array.from({ length: 100 }, () => tail.next(at(0), {})));
  expect(store.reads).toHaveLength(1);
  expect(portions[0]).toMatchObject({ reached: { place: 7 } });
  for (const { events: shared } of portions) expect(shared[0]).toBe(portions[0]!.events[0]);
  const own = await tail.next(at(0), { userId: 'u1' });
  expect(own.events.map(({ place }) => place)).toEqual([2, 4, 6, 8, 10, 12, 14]);
  expect((await tail.next(at(7), {})).events[0]!.place).toBe(8);
  expect(store.reads).toHaveLength(3);
});

it('reads no more than once where the store reaches further than its last event', async () => {
  let polls = 0;
  class StoreWithEmptyPlaces extends CountingStore {
    override async extent() {
      polls++;
      return { newest: 0, settled: 5 + Math.min(polls, 5) };
    }
  }
  const store = new StoreWithEmptyPlaces();
  const tail = new LiveTail({ store, heartbeatMs: 60_000, clock: systemClock });
  const leave = tail.join();
  onTestFinished(() => {
    leave();
    tail.stop();
  });
  await tail.begin();
  await expect.poll(() => polls).toBeGreaterThan(5);
  const reads = store.reads.length;
  const seen = polls;
  await expect.poll(() => polls).toBeGreaterThan(seen + 4);
  expect(store.reads).toHaveLength(reads);
});

/** Lets something happen between what the store says of its extent and what is then read. */
class HookedStore extends SqliteStore {
  beforeNextRead: (() => Promise<void>) | undefined;

  override async read(selection: Selection) {
    const hook = this.beforeNextRead;
    this.beforeNextRead = undefined;
    await hook?.();
    return super.read(selection);
  }
}

describe('a reader of a store that went back in time', () => {
  async function setUp({ heartbeatMs = 60_000 } = {}) {
    const file = openSqliteFile(join(await tempFolder(), 'footfall.db'));
    const store = new HookedStore(file);
    const store20 = await naming(store);
    await store20('first', 20);
    const tail = new LiveTail({ store, heartbeatMs, clock: systemClock });
    const leave = tail.join();
    onTestFinished(() => {
      leave();
      tail.stop();
      file.close();
    });
    const start = await tail.begin(0);
    // It has followed from here on, so all of these are in its window.
    await store20('second', 20);
    return { file, store, tail, start, storeMore: store20 };
  }

  /** Stores so many events, each with a text of its own. */
  async function naming(store: SqliteStore) {
    const storeMore = await storing(store);
    return (name: string, count: number) =>
      storeMore(Array.from({ length: count }, (_, number) => ({ json: `{"${name}":${number}}` })));
  }

  /** Reads until a place. */
  async function readTo(tail: LiveTail, from: TailPosition, place: number) {
    const found: string[] = [];
    const resets: number[] = [];
    let position = from;
    while (position.place < place) {
      const portion = await tail.next(position, {});
      if (portion.isReset) resets.push(portion.reached.place);
      found.push(...portion.events.map(({ json }) => json));
      position = portion.reached;
    }
    return { found, resets, position };
  }

  it('is told where it stands now, and gets what is stored from there on', async () => {
    const { file, tail, start, storeMore } = await setUp();
    const { position } = await readTo(tail, start, 40);
    file.db.exec('delete from events where seq > 28');
    const { reached, isReset } = await tail.next(position, {});
    expect([reached.place, isReset]).toEqual([28, true]);
    await storeMore('third', 20);
    const { found, resets } = await readTo(tail, reached, 48);
    expect(found).toEqual(Array.from({ length: 20 }, (_, at) => `{"third":${at}}`));
    expect(resets).toEqual([]);
  });

  it('is told also when as much has been stored again by the time anybody looks', async () => {
    const { file, tail, start, storeMore } = await setUp();
    const { position } = await readTo(tail, start, 40);
    file.db.exec('delete from events where seq > 28');
    await storeMore('third', 20);
    const { found, resets } = await readTo(tail, position, 48);
    expect(resets).toEqual([28]);
    expect(found).toEqual(Array.from({ length: 20 }, (_, at) => `{"third":${at}}`));
  });

  it('is told also when exactly as much has been stored again, though nothing comes after it', async () => {
    const { file, tail, start } = await setUp({ heartbeatMs: 50 });
    const { position } = await readTo(tail, start, 40);
    file.db.exec(`update events set json = '{"third":' || seq || '}' where seq > 28`);
    let told = await tail.next(position, {});
    while (!told.isReset) told = await tail.next(told.reached, {});
    expect(told.reached.place).toBe(28);
    const { found } = await readTo(tail, told.reached, 40);
    expect(found).toEqual(Array.from({ length: 12 }, (_, at) => `{"third":${at + 29}}`));
  });

  it('misses nothing that is stored where it was told that there is nothing', async () => {
    const { file, store, tail, start, storeMore } = await setUp();
    const { position } = await readTo(tail, start, 40);
    const emptied = Promise.withResolvers<void>();
    store.beforeNextRead = async () => {
      file.db.exec('delete from events');
      emptied.resolve();
    };
    await storeMore('third', 20);
    await emptied.promise;
    // Whoever stores finds out, too, and claims again.
    const storeAgain = await naming(store);
    await storeAgain('fourth', 70);
    const { found, resets } = await readTo(tail, position, 70);
    expect(found).toEqual(Array.from({ length: 70 }, (_, at) => `{"fourth":${at}}`));
    expect(resets).toContain(0);
  });

  it('gets all that may have changed when the store went back behind where anybody has followed it', async () => {
    const { file, tail, start, storeMore } = await setUp();
    const { position } = await readTo(tail, start, 40);
    file.db.exec('delete from events where seq > 10');
    const { reached, isReset } = await tail.next(position, {});
    expect([reached.place, isReset]).toEqual([0, true]);
    await storeMore('third', 5);
    const { found } = await readTo(tail, reached, 15);
    expect(found.slice(10)).toEqual(Array.from({ length: 5 }, (_, at) => `{"third":${at}}`));
  });

  it('starts where the store ends when it comes back with a place beyond', async () => {
    const { tail } = await setUp();
    expect((await tail.begin(41)).place).toBe(40);
    expect((await tail.begin(40)).place).toBe(40);
  });
});

it('keeps 4 MB of what came last in memory: whoever is further behind reads the store, and misses nothing', async () => {
  const store = new CountingStore();
  const storeMore = await storing(store);
  const tail = new LiveTail({ store, heartbeatMs: 60_000, clock: systemClock });
  const leave = tail.join();
  onTestFinished(() => {
    leave();
    tail.stop();
  });
  const start = await tail.begin();
  await storeMore(Array.from({ length: 50 }, () => ({ json: 'x'.repeat(100_000) })));
  let newest = start;
  while (newest.place < 50) newest = (await tail.next(newest, {})).reached;
  store.reads.length = 0;
  const first: number[] = [];
  for (let place = 0; place < 50; place++) first.push((await tail.next(at(place), {})).events[0]!.place);
  expect(first).toEqual(Array.from({ length: 50 }, (_, place) => place + 1));
  expect(store.reads.map(({ after }) => after)).toEqual(Array.from({ length: 10 }, (_, place) => place));
});
