import { describe, expect, it, onTestFinished } from 'vitest';
import { LiveTail } from '../../../src/query/live-tail.ts';
import type { ReadQuery, StoredEvent, Watermarks } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { handClock } from '../../support/hand-clock.ts';
import { storing } from '../../support/storing.ts';

/** Milliseconds between two looks at the store. */
const POLL = 50;

/** A store that goes back in time by telling other events, or other ends, than it did. */
class ChangingStore extends MemoryStore {
  reads: ReadQuery[] = [];
  asked = 0;
  /** From this sequence on the events are others than they were, one character longer. */
  changedFrom = Number.POSITIVE_INFINITY;
  ends: Partial<Watermarks> = {};

  override async watermarks() {
    this.asked++;
    return { ...(await super.watermarks()), ...this.ends };
  }

  override async read(query: ReadQuery): Promise<StoredEvent[]> {
    this.reads.push(query);
    const found = await super.read(query);
    return found.map((event) =>
      event.sequence < this.changedFrom ? event : { ...event, json: `${event.json}!` },
    );
  }

  /** The sequences at which single events were looked at. */
  get looked(): number[] {
    return this.reads.filter(({ limit }) => limit === 1).map(({ upTo }) => upTo);
  }
}

/** A tail by a clock that only the test moves, with somebody who reads it. */
async function ground({ before = 0, heartbeatMs = 60_000, json = '{}' } = {}) {
  const clock = handClock();
  const store = new ChangingStore();
  const storeSome = await storing(store);
  const storeMore = (count: number) => storeSome(Array.from({ length: count }, () => ({ json })));
  if (before > 0) await storeMore(before);
  const tail = new LiveTail({ store, heartbeatMs, clock });
  const leave = tail.join();
  /** Lets time pass, and everything happen that waits for nothing else. */
  const pass = async (ms = POLL) => {
    await new Promise(setImmediate);
    for (let passed = 0; passed < ms; passed += POLL) {
      clock.advance(POLL);
      await new Promise(setImmediate);
    }
  };
  onTestFinished(async () => {
    tail.stop();
    await pass();
  });
  /** What is at this place; undefined where that is to be waited for. */
  const at = async (sequence: number, rewinds = 0) => {
    let answer: Awaited<ReturnType<LiveTail['next']>> | undefined;
    void tail.next({ sequence, rewinds }, {}).then((chunk) => (answer = chunk));
    await new Promise(setImmediate);
    return answer;
  };
  return { store, tail, leave, pass, at, storeMore };
}

const reset = (sequence: number, rewinds = 1) => ({ events: [], next: { sequence, rewinds }, isReset: true });

describe('a tail', () => {
  it('is one for all: who comes later does not end what is in memory for who came before', async () => {
    const { store, tail, pass, at, storeMore } = await ground();
    await tail.begin();
    await storeMore(3);
    await pass();
    await tail.begin();
    store.reads = [];
    expect((await at(0))!.events).toHaveLength(3);
    expect(store.reads).toEqual([]);
  });

  it('asks nothing of the store while nobody reads', async () => {
    const { store, tail, leave, pass } = await ground();
    await tail.begin();
    leave();
    await pass();
    const { asked } = store;
    await pass(3 * POLL);
    expect(store.asked).toBe(asked);
  });

  it('keeps nothing of what it read before all had left', async () => {
    const { store, tail, leave, pass, at, storeMore } = await ground({ before: 3 });
    await tail.begin(0);
    expect((await at(0))!.events[0]!.json).toBe('{}');
    leave();
    await pass();
    store.changedFrom = 1;
    tail.join();
    await tail.begin(0);
    expect((await at(0))!.events[0]!.json).toBe('{}!');
    await storeMore(1);
    await pass();
    expect((await at(3))!.events.map(({ sequence }) => sequence)).toEqual([4]);
  });

  it('tells who waits that there is nothing at each heartbeat, and not before', async () => {
    const { tail, pass } = await ground({ heartbeatMs: 4 * POLL });
    const start = await tail.begin();
    for (const _heartbeat of [1, 2]) {
      let isTold = false;
      const told = tail.next(start, {}).then((chunk) => {
        isTold = true;
        return chunk;
      });
      await pass(3 * POLL);
      expect(isTold).toBe(false);
      await pass();
      expect(isTold).toBe(true);
      expect(await told).toEqual({ events: [], next: start, isReset: false });
    }
  });

  it('reads all there is at one look, and gives it out in portions of 64 kB', async () => {
    const { tail, pass, at, storeMore } = await ground({ json: 'x'.repeat(32_000) });
    await tail.begin();
    await storeMore(600);
    await pass();
    // Of the last 4 MB, which are in memory.
    expect((await at(475))!.events.map(({ sequence }) => sequence)).toEqual([476, 477]);
    expect((await at(598))!.events.map(({ sequence }) => sequence)).toEqual([599, 600]);
  });

  it('leaves a reader where it is that has seen more than may be read again', async () => {
    const { store, tail, pass } = await ground({ before: 5, heartbeatMs: POLL });
    store.ends = { latest: 7, stable: 5 };
    expect((await tail.begin(6)).sequence).toBe(6);
    expect((await tail.begin(8)).sequence).toBe(5);
    const ahead = await tail.begin(7);
    expect(ahead.sequence).toBe(7);
    const told = tail.next(ahead, {});
    await pass();
    expect(await told).toEqual({ events: [], next: ahead, isReset: false });
  });
});

describe('of a store that went back in time', () => {
  it('each reader is told the last event that is the same, once, and gets the others at once', async () => {
    const { store, tail, pass, at, storeMore } = await ground({ heartbeatMs: 2 * POLL });
    await tail.begin();
    await storeMore(40);
    await pass();
    store.changedFrom = 29;
    // At a heartbeat the latest event is looked at again.
    await pass(2 * POLL);
    expect(await at(40)).toEqual(reset(28));
    // Who had not come further has nothing to repeat.
    for (const rewinds of [0, 1]) {
      const { events, isReset } = (await at(28, rewinds))!;
      expect([isReset, events.length, events[0]!.json]).toEqual([false, 12, '{}!']);
    }
  });

  it('a single event that became another is noticed, too', async () => {
    const { store, tail, pass, at, storeMore } = await ground({ heartbeatMs: 2 * POLL });
    await tail.begin();
    await storeMore(1);
    await pass();
    store.changedFrom = 1;
    await pass(2 * POLL);
    expect(await at(1)).toEqual(reset(0));
  });

  it('what was read into memory for who is behind is read again', async () => {
    const { store, tail, pass, at, storeMore } = await ground({ before: 250 });
    await tail.begin();
    expect((await at(0))!.events.at(-1)!.json).toBe('{}');
    store.changedFrom = 200;
    await storeMore(1);
    await pass();
    // Remembered were the events 250 and 150.
    expect(await at(250)).toEqual(reset(150));
    expect((await at(0, 1))!.events[199]).toEqual({ sequence: 200, json: '{}!' });
    store.reads = [];
    expect((await at(150, 1))!.events.map(({ sequence }) => sequence).slice(-1)).toEqual([251]);
    expect(store.reads).toEqual([]);
    await pass();
    expect(await at(251, 1)).toBeUndefined();
  });

  it('no more than 4 MB are in memory after that, either', async () => {
    const { store, tail, pass, at, storeMore } = await ground({ json: 'x'.repeat(410_000) });
    await tail.begin();
    await storeMore(7);
    await pass();
    store.changedFrom = 6;
    await storeMore(1);
    await pass();
    expect(await at(7)).toEqual(reset(5));
    await storeMore(4);
    await pass();
    store.reads = [];
    await at(3, 1);
    expect(store.reads).toEqual([]);
    await at(2, 1);
    expect(store.reads).toMatchObject([{ after: 2 }]);
  });

  it.each([
    [64, Array.from({ length: 64 }, (_, at) => 64 - at)],
    [65, Array.from({ length: 33 }, (_, at) => 65 - 2 * at)],
  ])(
    'of %d events before those in memory at most 64 are looked at, else every second',
    async (gone, looked) => {
      const { store, tail, pass, at, storeMore } = await ground({ json: 'x'.repeat(500_000) });
      await tail.begin();
      for (let event = 0; event < gone + 8; event++) {
        await storeMore(1);
        await pass();
      }
      store.reads = [];
      store.changedFrom = 1;
      await storeMore(1);
      await pass();
      expect(store.looked).toEqual(looked);
      expect(await at(gone + 8)).toEqual(reset(0));
    },
  );

  it('what was there before anybody read is looked at where it has events, each once, and where a reader starts', async () => {
    const { store, tail, pass, at } = await ground({ before: 100 });
    expect((await tail.begin(40)).last!.sequence).toBe(40);
    expect(store.looked).toEqual([100, 40]);
    const sparse = await ground({ before: 50 });
    sparse.store.ends = { stable: 1100 };
    await sparse.tail.begin();
    expect(sparse.store.looked).toEqual([1100, 1000, 100, 1100]);
    sparse.store.reads = [];
    sparse.store.changedFrom = 1;
    sparse.store.ends = { stable: 1101 };
    await sparse.pass();
    expect(sparse.store.looked).toEqual([50]);
    expect(await sparse.at(1100)).toEqual(reset(0));
    await pass();
    expect(await at(100)).toBeUndefined();
  });

  it.each([
    ['reaches less far', 5, 0, 3],
    ['has events where there were none', 5, 2, 6],
    ['has an event at the last place, where there was none', 1, 1, 2],
  ])('without an event before, it is noticed that it %s', async (_, stable, more, then) => {
    const { store, tail, pass, at, storeMore } = await ground();
    store.ends = { stable };
    await tail.begin();
    store.ends = { stable: then };
    if (more > 0) await storeMore(more);
    await pass();
    expect(await at(stable)).toEqual(reset(0));
    if (more > 0) expect((await at(0, 1))!.events).toHaveLength(more);
  });

  it('the last event is where to go on if only places without events are gone', async () => {
    const { store, tail, pass, at } = await ground({ before: 8 });
    store.ends = { stable: 10 };
    await tail.begin();
    store.ends = { stable: 9 };
    await pass();
    expect(await at(10)).toEqual(reset(8));
  });
});
