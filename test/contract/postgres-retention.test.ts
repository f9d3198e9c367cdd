import { randomUUID } from 'node:crypto';
import { expect, inject, it, onTestFinished } from 'vitest';
import { createDatabase } from '../../scripts/postgres-server.ts';
import { accounts } from '../../src/processing/ledger.ts';
import { ALL_KEPT, FencedError, HOUR_MS, keeps } from '../../src/store/event-store.ts';
import { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { expiredIn, removeExpired } from '../support/expired.ts';
import { silentLogger } from '../support/logger.ts';
import { byHand } from '../support/postgres.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';
import { claimAndStore } from '../support/storing.ts';

const PARTITIONS = [0, 1, 2];
const BATCH = 50;
const OLD_DAY = 3;
const NEW_DAY = 20;

function eventOn(day: number, key: string) {
  return newEvent({ key, eventType: 'T', hour: day * 24, time: day * 24 * HOUR_MS });
}

it('stores no removed event again, whoever sends it while it is removed', async () => {
  const url = await createDatabase(inject('postgres'));
  const open = () => {
    const store = new PostgresStore({ url, poolSize: 4, logger: silentLogger });
    onTestFinished(() => store.close());
    return store;
  };
  const [store, other] = [open(), open()];
  const keys = Array.from({ length: 1500 }, () => randomUUID());
  const [claim] = await store.claim(TOPIC, [3]);
  const old = keys.map((key) => eventOn(OLD_DAY, key));
  await store.process([newBatch(old, { partition: 3, epoch: claim!.epoch })]);

  let isRemoved = false;
  let fenced = 0;
  const begun = new Set<number>();
  /** Sends every key again under a new time, and once more when all are removed, as a consumer that claims again when it must. */
  const resend = async (partition: number) => {
    let sent = 0;
    let last = Number.POSITIVE_INFINITY;
    while (sent < last) {
      let [{ epoch, offset, keptDays }] = (await other.claim(TOPIC, [partition])) as [
        Awaited<ReturnType<typeof other.claim>>[0],
      ];
      try {
        while (sent < last) {
          if (isRemoved) last = Math.min(last, sent + keys.length);
          const batch = Array.from({ length: BATCH }, () => eventOn(NEW_DAY, keys[sent++ % keys.length]!));
          const events = batch.filter((event) => keeps(keptDays)({ ...event, eventId: event.key }));
          const nextOffset = (offset ?? 0) + BATCH;
          const expired = BATCH - events.length;
          await other.process([
            newBatch(events, { partition, epoch, fromOffset: offset, nextOffset, expired }),
          ]);
          offset = nextOffset;
          begun.add(partition);
        }
      } catch (error) {
        if (!(error instanceof FencedError)) throw error;
        fenced++;
      }
    }
    return sent;
  };
  const sending = PARTITIONS.map(resend);
  await expect.poll(() => begun.size).toBe(PARTITIONS.length);
  await store.retention.keepFrom({ others: 10, types: [] });
  await removeExpired(store, { limit: 100 });
  isRemoved = true;
  const sent = await Promise.all(sending);
  expect(fenced).toBeGreaterThan(0);
  const ledger = accounts(await store.positions(TOPIC.group, TOPIC.topic));
  const sum = (of: (account: (typeof ledger)[0]) => number) => ledger.reduce((all, one) => all + of(one), 0);
  expect(sum(({ stored }) => stored)).toBe(keys.length);
  expect(sum(({ unaccounted }) => unaccounted)).toBe(0);
  expect(sum(({ expired }) => expired)).toBeGreaterThan(0);
  expect(sum(({ passed }) => passed)).toBeLessThanOrEqual(keys.length + sent.reduce((a, b) => a + b, 0));
  expect(await store.counts.totals()).toEqual([]);
});

it('moves no day when it is stopped before it has remembered all keys, neither then nor later', async () => {
  const url = await createDatabase(inject('postgres'));
  const store = new PostgresStore({ url, poolSize: 4, logger: silentLogger });
  onTestFinished(() => store.close());
  await claimAndStore(store, [eventOn(3, randomUUID()), eventOn(8, randomUUID())]);
  const stopped = AbortSignal.abort(new Error('stopped'));
  await expect(store.retention.keepFrom({ others: 9, types: [] }, stopped)).rejects.toThrow('stopped');
  expect(await store.retention.keptDays()).toEqual(ALL_KEPT);
  expect(await store.retention.keepFrom({ others: 5, types: [] })).toEqual({ others: 5, types: [] });
  expect(await expiredIn(store)).toHaveLength(1);
});

it('moves no day where it may not remove what is before it, and says what to grant', async () => {
  const url = await createDatabase(inject('postgres'));
  const owner = new PostgresStore({ url, poolSize: 4, logger: silentLogger });
  onTestFinished(() => owner.close());
  await claimAndStore(owner, [eventOn(3, randomUUID())]);
  const role = `r${randomUUID().slice(0, 8)}`;
  await byHand(
    url,
    `create role ${role} login password 'p';
     grant select, insert, update, delete on all tables in schema public to ${role};
     grant select, update on all sequences in schema public to ${role};
     revoke delete on events from ${role}`,
  );
  const own = url.replace(/\/\/[^@]*@/, `//${role}:p@`);
  const store = new PostgresStore({ url: own, poolSize: 4, logger: silentLogger, migrates: false });
  onTestFinished(() => store.close());
  await expect(store.retention.keepFrom({ others: 9, types: [] })).rejects.toThrow(
    /GRANT DELETE ON events TO/,
  );
  expect(await store.retention.keptDays()).toEqual(ALL_KEPT);
});

it('remembers the keys of many events that are stored while it looks for those before the day', async () => {
  const url = await createDatabase(inject('postgres'));
  const [store, other] = [1, 2].map(() => {
    const opened = new PostgresStore({ url, poolSize: 4, logger: silentLogger });
    onTestFinished(() => opened.close());
    return opened;
  }) as [PostgresStore, PostgresStore];
  const keys = Array.from({ length: 6000 }, () => randomUUID());
  const { counts } = store;
  const countUp = counts.countUp.bind(counts);
  let isStored = false;
  counts.countUp = async () => {
    if (!isStored) {
      isStored = true;
      await claimAndStore(
        other,
        keys.map((key) => eventOn(OLD_DAY, key)),
      );
    }
    return countUp();
  };
  await store.retention.keepFrom({ others: 10, types: [] });
  expect(await removeExpired(store)).toBe(keys.length);
  expect(await store.retention.removedKeys(keys)).toEqual(new Set(keys));
});

it('goes by the day of the server', async () => {
  const url = await createDatabase(inject('postgres'));
  const store = new PostgresStore({ url, poolSize: 4, logger: silentLogger });
  onTestFinished(() => store.close());
  const day = async () =>
    (
      await byHand<{ day: number }>(
        url,
        "select (now() at time zone 'utc')::date - '1970-01-01'::date as day",
      )
    )[0]!.day;
  const before = await day();
  const today = await store.retention.today();
  expect([before, await day()]).toContain(today);
});
