import { expect, it } from 'vitest';
import type { EventStore, Occurrence, TimePlace } from '../../src/store/event-store.ts';
import { eventAt } from '../support/counted-events.ts';
import { claimAndStore } from '../support/storing.ts';
import type { StoreHarness } from './event-store.contract.ts';

/** What funnels are made of. */
export function occurrencesContract(open: () => Promise<StoreHarness>): void {
  it('lists when events of a type happened and of whom, step by step', async () => {
    const { store: opened } = await open();
    const users = ['a', 'b', 'ä'];
    const views = [7, -3, 7, 5, 7, 9].map((time, at) => eventAt(time, users[at % 3]!, 'VIEW', '{}'));
    await claimAndStore(opened, views);
    await claimAndStore(opened, [eventAt(6, 'a', 'CART', '{}')]);
    for (const limit of [1, 2, 100]) {
      const all = await listAll(opened, limit);
      expect(all.map(({ time, userId }) => [time, userId])).toEqual([
        [-3, 'b'],
        [5, 'a'],
        [7, 'a'],
        [7, 'ä'],
        [7, 'b'],
      ]);
    }
  });
}

/** Before 9. */
async function listAll(opened: EventStore, limit: number): Promise<Occurrence[]> {
  const all: Occurrence[] = [];
  let after: TimePlace = { time: -10, sequence: 0 };
  for (;;) {
    const before = { time: 9, sequence: 0 };
    const found = await opened.counts.occurrences({ eventType: 'VIEW', after, before, limit });
    expect(found.length).toBeLessThanOrEqual(limit);
    if (found.length === 0) return all;
    all.push(...found);
    after = found.at(-1)!;
  }
}
