import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { LiveTail, type TailPosition } from '../../../src/query/live-tail.ts';
import type { EventStore, ReadQuery } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { tempSqliteFile } from '../../support/sqlite-file.ts';
import { storing } from '../../support/storing.ts';

const at = (sequence: number) => ({ sequence, rewinds: 0 });

/** A tail of a store, with somebody who reads it until the test ends. */
function follow(store: EventStore, { heartbeatMs = 60_000 } = {}) {
  const tail = new LiveTail({ store, heartbeatMs, clock: systemClock });
  const leave = tail.join();
  onTestFinished(() => {
    leave();
    tail.stop();
  });
  return { tail, leave };
}

class CountingStore extends MemoryStore {
  readonly reads: ReadQuery[] = [];
  fails = false;

  override async read(selection: ReadQuery) {
    this.reads.push(selection);
    if (this.fails) throw new Error('away');
    return super.read(selection);
  }
}

it('reads once for all who are behind at the same sequence, and for each filter by itself', async () => {
  const store = new CountingStore();
  const storeMore = await storing(store);
  await storeMore(
    Array.from({ length: 20 }, (_, offset) => ({ userId: `u${offset % 2}`, json: 'x'.repeat(10_000) })),
  );
  const { tail } = follow(store, { heartbeatMs: 1000 });
  await tail.begin();
  store.fails = true;
  await expect(tail.next(at(0), {})).rejects.toThrow('away');
  store.fails = false;
  store.reads.length = 0;
  const chunks = await Promise.all(Array.from({ length: 100 }, () => tail.next(at(0), {})));
  expect(store.reads).toHaveLength(1);
  expect(chunks[0]).toMatchObject({ next: { sequence: 7 } });
  for (const { events: shared } of chunks) expect(shared[0]).toBe(chunks[0]!.events[0]);
  const own = await tail.next(at(0), { userId: 'u1' });
  expect(own.events.map(({ sequence }) => sequence)).toEqual([2, 4, 6, 8, 10, 12, 14]);
  expect((await tail.next(at(7), {})).events[0]!.sequence).toBe(8);
  expect(store.reads).toHaveLength(3);
});

it('reads no more than once where the store reaches further than its last event', async () => {
  let polls = 0;
  class StoreWithEmptyPlaces extends CountingStore {
    override async watermarks() {
      polls++;
      return { latest: 0, stable: 5 + Math.min(polls, 5) };
    }
  }
  const store = new StoreWithEmptyPlaces();
  const { tail } = follow(store);
  await tail.begin();
  await expect.poll(() => polls).toBeGreaterThan(5);
  const reads = store.reads.length;
  const seen = polls;
  await expect.poll(() => polls).toBeGreaterThan(seen + 4);
  expect(store.reads).toHaveLength(reads);
});

/** Lets something happen between what the store says of its watermarks and what is then read. */
class HookedStore extends SqliteStore {
  beforeNextRead: (() => Promise<void>) | undefined;

  override async read(selection: ReadQuery) {
    const hook = this.beforeNextRead;
    this.beforeNextRead = undefined;
    await hook?.();
    return super.read(selection);
  }
}

describe('a reader of a store that went back in time', () => {
  async function setUp({ heartbeatMs = 60_000 } = {}) {
    const file = await tempSqliteFile();
    const store = new HookedStore(file);
    const store20 = await naming(store);
    await store20('first', 20);
    const { tail } = follow(store, { heartbeatMs });
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

  /** Reads until a sequence. */
  async function readTo(tail: LiveTail, from: TailPosition, sequence: number) {
    const found: string[] = [];
    const resets: number[] = [];
    let position = from;
    while (position.sequence < sequence) {
      const chunk = await tail.next(position, {});
      if (chunk.isReset) resets.push(chunk.next.sequence);
      found.push(...chunk.events.map(({ json }) => json));
      position = chunk.next;
    }
    return { found, resets, position };
  }

  it('is told where it stands now, and gets what is stored from there on', async () => {
    const { file, tail, start, storeMore } = await setUp();
    const { position } = await readTo(tail, start, 40);
    file.db.exec('delete from events where seq > 28');
    const { next, isReset } = await tail.next(position, {});
    expect([next.sequence, isReset]).toEqual([28, true]);
    await storeMore('third', 20);
    const { found, resets } = await readTo(tail, next, 48);
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
    while (!told.isReset) told = await tail.next(told.next, {});
    expect(told.next.sequence).toBe(28);
    const { found } = await readTo(tail, told.next, 40);
    expect(found).toEqual(Array.from({ length: 12 }, (_, at) => `{"third":${at + 29}}`));
  });

  it('is told the last sequence that was remembered of what was there before anybody read', async () => {
    const file = await tempSqliteFile();
    const store = new SqliteStore(file);
    await (await naming(store))('first', 2500);
    const { tail } = follow(store);
    const start = await tail.begin();
    // Remembered are the last one, and those a hundred and a thousand before it.
    for (const [gone, told] of [
      [2499, 2400],
      [2350, 1500],
      [1501, 1500],
      [1400, 0],
    ] as const) {
      file.db.exec(`delete from events where seq > ${gone}`);
      let portion = await tail.next(start, {});
      while (portion.next.sequence > told) portion = await tail.next(portion.next, {});
      expect([portion.next.sequence, portion.isReset]).toEqual([told, true]);
    }
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
    const { next, isReset } = await tail.next(position, {});
    expect([next.sequence, isReset]).toEqual([0, true]);
    await storeMore('third', 5);
    const { found } = await readTo(tail, next, 15);
    expect(found.slice(10)).toEqual(Array.from({ length: 5 }, (_, at) => `{"third":${at}}`));
  });

  it('gets all that is stored when it went back while the tail looked at what was in it', async () => {
    const { file, store } = await setUp();
    const { tail } = follow(store);
    const read = store.read.bind(store);
    vi.spyOn(store, 'read').mockImplementationOnce(async (query) => {
      const events = await read(query);
      file.db.exec('delete from events');
      return events;
    });
    const start = await tail.begin();
    expect(start.sequence).toBe(0);
    // The same events come again, as they do from the log.
    const storeAgain = await naming(store);
    await storeAgain('first', 20);
    await storeAgain('second', 20);
    const { found } = await readTo(tail, start, 40);
    expect(found).toEqual(
      ['first', 'second'].flatMap((name) => Array.from({ length: 20 }, (_, at) => `{"${name}":${at}}`)),
    );
  });

  it('starts where the store ends when it comes back with a sequence beyond', async () => {
    const { tail } = await setUp();
    expect((await tail.begin(41)).sequence).toBe(40);
    expect((await tail.begin(40)).sequence).toBe(40);
  });
});

it('keeps 4 MB of what came last in memory: whoever is further behind reads the store, and misses nothing', async () => {
  const store = new CountingStore();
  const storeMore = await storing(store);
  const { tail } = follow(store);
  const start = await tail.begin();
  await storeMore(Array.from({ length: 50 }, () => ({ json: 'x'.repeat(100_000) })));
  let newest = start;
  while (newest.sequence < 50) newest = (await tail.next(newest, {})).next;
  store.reads.length = 0;
  const first: number[] = [];
  for (let sequence = 0; sequence < 50; sequence++)
    first.push((await tail.next(at(sequence), {})).events[0]!.sequence);
  expect(first).toEqual(Array.from({ length: 50 }, (_, sequence) => sequence + 1));
  expect(store.reads.map(({ after }) => after)).toEqual(
    Array.from({ length: 10 }, (_, sequence) => sequence),
  );
});

/** A tail of a store in memory, with somebody who reads it. */
async function followed({ before = 0, heartbeatMs = 60_000, json = '{}' } = {}) {
  const store = new CountingStore();
  const storeSome = await storing(store);
  const storeMore = (count: number) => storeSome(Array.from({ length: count }, () => ({ json })));
  if (before > 0) await storeMore(before);
  return { store, storeMore, ...follow(store, { heartbeatMs }) };
}

describe('the readers of a stream', () => {
  it('are counted, each once however often it leaves', async () => {
    const { tail, leave } = await followed();
    const leaveToo = tail.join();
    expect(tail.readers).toBe(2);
    leaveToo();
    leaveToo();
    expect(tail.readers).toBe(1);
    leave();
    expect(tail.readers).toBe(0);
  });

  it('begin where they come back with, or with what is stored from now on', async () => {
    const { tail } = await followed({ before: 5 });
    expect(await tail.begin()).toMatchObject({ sequence: 5, rewinds: 0 });
    expect(await tail.begin(0)).toMatchObject({ sequence: 0, rewinds: 0 });
    expect(await tail.begin(3)).toMatchObject({ sequence: 3, rewinds: 0 });
    expect(await tail.begin(6)).toMatchObject({ sequence: 5, rewinds: 0 });
  });

  it('that wait are told at each heartbeat that there is nothing', async () => {
    const { tail } = await followed({ before: 3, heartbeatMs: 1 });
    const start = await tail.begin();
    const nothing = { events: [], next: start, isReset: false };
    expect(await tail.next(start, {})).toEqual(nothing);
    expect(await tail.next(start, {})).toEqual(nothing);
  });

  it('are sent away when the tail is stopped', async () => {
    const { tail } = await followed();
    const start = await tail.begin();
    const waiting = tail.next(start, {});
    expect(tail.stopped).toBe(false);
    tail.stop();
    expect(await waiting).toEqual({ events: [], next: start, isReset: false });
    expect(tail.stopped).toBe(true);
  });

  it('are given what is new from memory, in portions, without the store', async () => {
    const { store, storeMore, tail } = await followed({ json: 'x'.repeat(10_000) });
    const start = await tail.begin();
    await storeMore(10);
    const first = await tail.next(start, {});
    // The portion ends with the event that reaches 64 kB.
    expect(first.events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(first.next.sequence).toBe(7);
    store.reads.length = 0;
    const second = await tail.next(first.next, {});
    expect(second.events.map(({ sequence }) => sequence)).toEqual([8, 9, 10]);
    expect(store.reads).toEqual([]);
  });

  it('who are behind read 500 events or 64 kB at a time, up to where they are behind no more', async () => {
    const { store, tail } = await followed({ before: 600 });
    await tail.begin(0);
    store.reads.length = 0;
    const { events, next } = await tail.next(at(0), {});
    expect([events.length, next.sequence]).toEqual([500, 500]);
    expect(store.reads).toEqual([{ order: 'asc', after: 0, upTo: 600, limit: 500, bytes: 64_000 }]);
    expect((await tail.next(at(500), {})).next.sequence).toBe(600);
    // The store has none of this user: all of it is passed.
    expect(await tail.next(at(0), { userId: 'nobody' })).toMatchObject({
      events: [],
      next: { sequence: 600 },
    });
  });

  it('share what was read at 64 sequences, and no more', async () => {
    const { store, tail } = await followed({ before: 100 });
    await tail.begin(0);
    for (let sequence = 0; sequence < 64; sequence++) await tail.next(at(sequence), {});
    store.reads.length = 0;
    await tail.next(at(0), {});
    await tail.next(at(63), {});
    expect(store.reads).toEqual([]);
    await tail.next(at(64), {});
    await tail.next(at(1), {});
    expect(store.reads.map(({ after }) => after)).toEqual([64]);
    await tail.next(at(0), {});
    expect(store.reads.map(({ after }) => after)).toEqual([64, 0]);
  });

  it('get what is stored after a time in which nobody read, and nothing is kept of that time', async () => {
    const { storeMore, tail, leave } = await followed();
    await tail.begin();
    leave();
    await storeMore(3);
    const leaveAgain = tail.join();
    onTestFinished(leaveAgain);
    const start = await tail.begin();
    expect(start.sequence).toBe(3);
    await storeMore(2);
    expect((await tail.next(start, {})).events.map(({ sequence }) => sequence)).toEqual([4, 5]);
  });

  it('get what was stored while the store could not be read', async () => {
    const { store, storeMore, tail } = await followed();
    const start = await tail.begin();
    store.fails = true;
    await storeMore(2);
    await expect.poll(() => store.reads.length).toBeGreaterThan(2);
    store.fails = false;
    expect((await tail.next(start, {})).events).toHaveLength(2);
  });
});
