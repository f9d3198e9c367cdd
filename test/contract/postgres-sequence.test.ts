import { describe, expect, it } from 'vitest';
import { type EventStore, FencedError } from '../../src/store/event-store.ts';
import { listeningLogger } from '../support/logger.ts';
import { byHand, createRole, freshDatabase, openStore } from '../support/postgres.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';

const SET_BACK = "select setval('events_seq_seq', 1)";

async function sequencesIn(store: EventStore): Promise<number[]> {
  const read = await store.read({ order: 'asc', after: 0, upTo: 1e9, limit: 10 });
  return read.map(({ sequence }) => sequence);
}

/** As the consumer does: where the store stands elsewhere, its partitions are claimed again. */
async function storeAfterClaim(store: EventStore, fromOffset: number): Promise<void> {
  const next = newBatch([newEvent({ userId: 'new' })], { fromOffset, nextOffset: fromOffset + 1 });
  await expect(store.process([next])).rejects.toThrow(FencedError);
  const [claim] = await store.claim(TOPIC, [0]);
  expect(claim).toMatchObject({ epoch: 2, offset: fromOffset });
  await store.process([{ ...next, epoch: 2 }]);
}

describe('a sequence that was set back, or is the one of a logical replica,', () => {
  it('is moved behind the events that are there, which is said once', async () => {
    const url = await freshDatabase();
    const { logger, lines } = listeningLogger();
    const store = openStore(url, logger);
    await store.claim(TOPIC, [0]);
    await store.process([
      newBatch([newEvent({ userId: 'a' }), newEvent({ userId: 'b' }), newEvent({ userId: 'c' })]),
    ]);
    await byHand(url, SET_BACK);
    await storeAfterClaim(store, 3);
    expect(await sequencesIn(store)).toEqual([1, 2, 3, 4]);
    expect(await store.watermarks()).toEqual({ latest: 4, stable: 4 });
    await store.claim(TOPIC, [0]);
    expect(lines.filter(({ msg }) => msg.startsWith('The sequence of the events stood before'))).toHaveLength(
      1,
    );
  });

  it('gives no event a number that readers have passed and counts have covered, also where events were deleted', async () => {
    const url = await freshDatabase();
    const store = openStore(url);
    await store.claim(TOPIC, [0]);
    await store.process([
      newBatch([newEvent({ userId: 'a' }), newEvent({ userId: 'b' }), newEvent({ userId: 'c' })]),
    ]);
    expect(await store.counts.totals()).toMatchObject([{ events: 3 }]);
    await byHand(url, `delete from events where seq > 1; ${SET_BACK}`);
    await storeAfterClaim(store, 3);
    expect(await sequencesIn(store)).toEqual([1, 4]);
    expect(await store.counts.totals()).toMatchObject([{ events: 4 }]);
  });

  it('is for somebody else to move where the role may not, which is asked for in one line', async () => {
    const url = await freshDatabase();
    const { role, as } = await createRole(url);
    const owner = openStore(url);
    await owner.claim(TOPIC, [0]);
    await owner.process([newBatch([newEvent({ userId: 'a' }), newEvent({ userId: 'b' })])]);
    await byHand(
      url,
      `grant select, insert, update, delete on all tables in schema public to ${role};
       grant select on all sequences in schema public to ${role}; ${SET_BACK}`,
    );
    const store = openStore(as(url));
    await expect(store.claim(TOPIC, [0])).rejects.toThrow(
      /^the sequence events_seq_seq is behind the stored events, .*GRANT UPDATE ON SEQUENCE events_seq_seq/,
    );
    await byHand(url, `grant update on sequence events_seq_seq to ${role}`);
    expect(await store.claim(TOPIC, [0])).toMatchObject([{ offset: 2 }]);
  });
});
