import { describe, expect, it, vi } from 'vitest';
import { fill } from '../../../bench/events.ts';
import { Turns } from '../../../src/access/turns.ts';
import { chunksInTurn } from '../../../src/api/ingest/batch-routes.ts';
import { SearchSteps } from '../../../src/loop-turns.ts';
import { readPage } from '../../../src/query/event-query.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { openLog } from '../../support/embedded-log.ts';
import { handClock } from '../../support/hand-clock.ts';
import { PATIENCE_MS } from '../../support/patience.ts';
import { stopClock } from '../../support/stopped-clock.ts';
import { turnsDuring } from '../../support/turns-during.ts';

/** Two of these are begun at once. */
const LARGE = 500_000;

/** Work that ends when it is told to. */
function workByHand() {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const work = (name: string) => async () => {
    begun.push(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    ends.set(name, resolve);
    await promise;
    return name;
  };
  return { begun, work, end: (name: string) => ends.get(name)!() };
}

const settled = () => new Promise(setImmediate);

describe('large work', () => {
  it('of one sender is begun as there is room, in its order, while others go on', async () => {
    const { begun, work, end } = workByHand();
    const turns = new Turns();
    const taken = ['a1', 'a2', 'a3', 'a4'].map((name) => turns.take('a', LARGE, work(name)));
    void turns.take('b', LARGE, work('b1'));
    await settled();
    expect(begun).toEqual(['a1', 'a2', 'b1']);
    end('a2');
    expect(await taken[1]).toBe('a2');
    await expect.poll(() => begun).toEqual(['a1', 'a2', 'b1', 'a3']);
    end('a1');
    end('a3');
    await expect.poll(() => begun).toContain('a4');
  });

  it('does not hold up what is small, and may be larger than all that is begun at once', async () => {
    const { begun, work } = workByHand();
    const turns = new Turns();
    void turns.take('a', 5_000_000, work('huge'));
    void turns.take('a', LARGE, work('large'));
    void turns.take('a', 10_000, work('small'));
    await settled();
    expect(begun.toSorted()).toEqual(['huge', 'small']);
  });

  it('of one sender does not overtake what came before it, though there is room for it', async () => {
    const { begun, work, end } = workByHand();
    const turns = new Turns();
    void turns.take('a', 600_000, work('first'));
    void turns.take('a', 600_000, work('second'));
    void turns.take('a', 300_000, work('third'));
    await settled();
    expect(begun).toEqual(['first']);
    end('first');
    await settled();
    expect(begun).toEqual(['first', 'second', 'third']);
  });

  it('that fails leaves its room to what waits', async () => {
    const turns = new Turns();
    const failing = turns.take('a', 900_000, async () => {
      throw new Error('it fails');
    });
    const next = turns.take('a', 900_000, async () => 'begun');
    await expect(failing).rejects.toThrow('it fails');
    expect(await next).toBe('begun');
  });
});

describe('the large work of one sender', () => {
  /**
   * Asks for two pieces of 100 ms, one after the other.
   *
   * @returns how long after the first the second begins
   */
  async function pauseBetween(others: string[], { load }: { load: number }): Promise<number> {
    stopClock();
    const { begun, work, end } = workByHand();
    const turns = new Turns(() => () => load);
    for (const other of others) void turns.take(other, 200, async () => {});
    for (const name of ['a1', 'a2']) void turns.take('a', 900_000, work(name));
    await settled();
    vi.advanceTimersByTime(100);
    end('a1');
    await settled();
    for (let ms = 0; ms < 2000; ms++) {
      if (begun.length === 2) return ms;
      vi.advanceTimersByTime(1);
      await settled();
    }
    throw new Error('the second piece has not begun');
  }

  it('goes on at once while nobody else sends', async () => {
    expect(await pauseBetween(['a'], { load: 1 })).toBe(0);
  });

  it('pauses six times as long as it takes while others send and the process is busy', async () => {
    expect(await pauseBetween(['b', 'a'], { load: 0.5 })).toBe(600);
  });

  it('pauses for a moment while others send and the process has time left', async () => {
    expect(await pauseBetween(['b', 'a'], { load: 0.49 })).toBe(25);
  });
});

describe('requests get turns of the event loop', () => {
  it('between the steps of those that search a store which never waits', async () => {
    const store = new MemoryStore();
    await fill(store, 20_000);
    const read = vi.spyOn(store, 'read');
    const query = {
      order: 'asc' as const,
      payload: [{ path: ['x'], operator: 'eq' as const, value: 'nowhere' }],
    };
    const pages = Array.from({ length: 4 }, () =>
      readPage(store, query, { limit: 10, patienceMs: PATIENCE_MS }),
    );
    const turns = await turnsDuring(Promise.all(pages));
    expect(read.mock.calls.length).toBeGreaterThan(80);
    expect(turns).toBeGreaterThanOrEqual(read.mock.calls.length);
  });

  it('for twice the time of each step of a search while requests come in, else at once', async () => {
    const clock = handClock();
    const steps = new SearchSteps(clock);
    await steps.next();
    clock.advance(10);
    await steps.next();
    expect(clock.sleeps).toEqual([]);
    clock.advance(10);
    steps.noteRequest();
    const next = steps.next();
    await expect.poll(() => clock.sleeps).toEqual([20]);
    clock.advance(20);
    await next;
  });

  it('between the chunks of all batches that are there', async () => {
    const chunks = Array.from({ length: 50 }, () => Buffer.from('{},'));
    const batches = Array.from({ length: 4 }, () => Array.fromAsync(chunksInTurn(chunks, 1_000_000)));
    expect(await turnsDuring(Promise.all(batches))).toBeGreaterThanOrEqual(4 * 50);
  });

  it('before each group that the embedded log writes', async () => {
    const { log } = await openLog();
    const value = 'x'.repeat(5_000_000);
    const record = { topic: 't', key: null, value, headers: [] };
    // Each is more than half of what a group holds.
    const appends = Array.from({ length: 4 }, () => log.append([record]));
    expect(await turnsDuring(Promise.all(appends))).toBeGreaterThanOrEqual(4 * 16);
  });
});
