import { describe, expect, it, vi } from 'vitest';
import { StoredEvents } from '../../../src/ingest/stored-event-waiter.ts';
import type { EventRecord } from '../../../src/store/event-store.ts';
import { PATIENCE_MS } from '../../support/patience.ts';

const RECORD: EventRecord = {
  json: '{}',
  partition: 0,
  offset: 0,
  storedAt: null,
  duplicates: 0,
  conflicts: 0,
};

/** A store that has some keys, and what it was asked for. */
function storeOf() {
  const keys = new Set<string>();
  const asked: string[][] = [];
  return {
    keys,
    asked,
    isAway: false,
    /** Questions at once. */
    most: 0,
    open: 0,
    async get(wanted: readonly string[]) {
      asked.push([...wanted]);
      this.most = Math.max(this.most, ++this.open);
      await new Promise(setImmediate);
      this.open--;
      if (this.isAway) throw new Error('away');
      return new Map(wanted.filter((key) => keys.has(key)).map((key) => [key, RECORD]));
    },
  };
}

describe('waiting for events to be stored', () => {
  it('ends when all of them are, whoever stored them', async () => {
    const store = storeOf();
    const waiter = new StoredEvents(store);
    let isOver = false;
    const waiting = waiter.wait(['a', 'b'], PATIENCE_MS).finally(() => (isOver = true));
    store.keys.add('a');
    await expect.poll(() => store.asked.length).toBeGreaterThan(2);
    expect(isOver).toBe(false);
    store.keys.add('b');
    expect(await waiting).toBe(true);
  });

  it('ends at once where this instance stores them', async () => {
    const store = storeOf();
    const waiter = new StoredEvents(store);
    store.isAway = true;
    waiter.tell(['nobody waits for it']);
    const both = Promise.all([waiter.wait(['a', 'b'], PATIENCE_MS), waiter.wait(['b'], PATIENCE_MS)]);
    waiter.tell(['a', 'other']);
    waiter.tell(['b']);
    expect(await both).toEqual([true, true]);
  });

  it('ends without them when the time is up, also while the store is away', async () => {
    const store = storeOf();
    const waiter = new StoredEvents(store);
    store.keys.add('a');
    expect(await waiter.wait(['a', 'b'], 1)).toBe(false);
    store.isAway = true;
    expect(await waiter.wait(['c'], 1)).toBe(false);
  });

  it('asks the store one question for all who wait, and none when nobody does', async () => {
    const store = storeOf();
    const get = vi.spyOn(store, 'get');
    const waiter = new StoredEvents(store);
    const waiting = [
      waiter.wait(['a'], PATIENCE_MS),
      waiter.wait(['b'], PATIENCE_MS),
      waiter.wait(['b'], PATIENCE_MS),
    ];
    await expect.poll(() => store.asked.length).toBeGreaterThan(2);
    // The first was asked for when nobody else waited yet.
    expect(store.asked[1]).toEqual(['a', 'b']);
    const questions = get.mock.calls.length;
    store.keys.add('a').add('b');
    await Promise.all(waiting);
    expect(store.most).toBe(1);
    await waiter.wait(['a'], PATIENCE_MS);
    expect(get.mock.calls.length).toBeGreaterThan(questions);
    expect(store.asked.at(-1)).toEqual(['a']);
    expect(await waiter.wait([], 1)).toBe(true);
  });

  it('goes on for others when one who waits for the same has waited long enough', async () => {
    const waiter = new StoredEvents(storeOf());
    const other = waiter.wait(['a'], PATIENCE_MS);
    expect(await waiter.wait(['a'], 1)).toBe(false);
    waiter.tell(['a']);
    expect(await other).toBe(true);
  });

  it('asks again when somebody waits after a time in which nobody did, and nothing in that time', async () => {
    const store = storeOf();
    store.keys.add('a');
    const waiter = new StoredEvents(store);
    expect(await waiter.wait(['a'], PATIENCE_MS)).toBe(true);
    // Much longer than between two questions.
    await new StoredEvents(storeOf()).wait(['never'], 50);
    expect(await waiter.wait(['a'], PATIENCE_MS)).toBe(true);
    expect(store.asked).toEqual([['a'], ['a']]);
  });
});
