import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readAll } from '../../../../src/query/event-query.ts';
import { openSqliteFile } from '../../../../src/sqlite/sqlite-file.ts';
import type { EventStore } from '../../../../src/store/event-store.ts';
import { SqliteStore } from '../../../../src/store/sqlite/sqlite-store.ts';
import { tempSqliteFile } from '../../../support/sqlite-file.ts';
import { newBatch, newEvent, TOPIC } from '../../../support/store-batches.ts';
import { storing } from '../../../support/storing.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

async function storeEvents(store: EventStore, count: number): Promise<void> {
  const storeMore = await storing(store);
  await storeMore(Array.from({ length: count }, () => ({})));
}

// What every store does is in test/contract.
describe('the SQLite store', () => {
  it('has everything again after the file was closed and opened', async () => {
    const path = join(await tempFolder(), 'footfall.db');
    const before = openSqliteFile(path);
    const store = new SqliteStore(before);
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([newEvent({ json: '{}' })], { nextOffset: 4 })]);
    before.close();
    const after = openSqliteFile(path);
    onTestFinished(() => after.close());
    const again = new SqliteStore(after);
    expect(await again.claim(TOPIC, [0])).toMatchObject([{ epoch: 2, offset: 4 }]);
    expect((await Array.fromAsync(readAll(again))).flat().map(({ json }) => json)).toEqual(['{}']);
  });

  it('counts by itself after many events', async () => {
    const file = await tempSqliteFile();
    await storeEvents(new SqliteStore(file), 10_000);
    expect(file.db.prepare('select sum(events) as events from event_counts').get()!.events).toBe(10_000);
  });

  it('counts as many as there are, in several transactions', async () => {
    const file = await tempSqliteFile();
    const store = new SqliteStore(file);
    file.db.exec(`insert into events (event_key, user_id, event_type, json, hour, happened_at)
      with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 50001)
      select cast(n as blob), 'u', 'LOGIN', '{}', 0, 0 from numbers`);
    expect(await store.counts.totals()).toMatchObject([{ events: 50_001 }]);
  });

  it('counts nothing to read what is not of one user', async () => {
    const file = await tempSqliteFile();
    const store = new SqliteStore(file);
    await storeEvents(store, 3);
    const counted = () => file.db.prepare('select seq from counted_up_to').get()!.seq;
    const place = (time: number) => ({ time, sequence: 0 });
    await store.read({ order: 'asc', after: 0, upTo: 3, limit: 9 });
    await store.readByTime({ order: 'asc', after: place(-1), before: place(1), limit: 9 });
    expect(counted()).toBe(0);
    await store.read({ order: 'asc', after: 0, upTo: 3, limit: 9, userId: 'u' });
    expect(counted()).toBe(3);
  });

  it('does not know where and when an event of an earlier version was stored', async () => {
    const file = await tempSqliteFile();
    const store = new SqliteStore(file);
    const event = newEvent();
    await (await storing(store))([event]);
    file.db.exec('update events set partition = null, offset = null, stored_at = null');
    const unknown = { partition: null, offset: null, storedAt: null };
    expect((await store.get([event.key])).get(event.key)).toMatchObject(unknown);
  });

  it('leaves out by time what was deleted by hand', async () => {
    const file = await tempSqliteFile();
    const store = new SqliteStore(file);
    await storeEvents(store, 3);
    await store.counts.totals();
    file.db.exec('delete from events where seq = 2');
    const [after, before] = [-1, 1].map((time) => ({ time, sequence: 0 })) as [never, never];
    const read = await store.readByTime({ order: 'asc', after, before, limit: 9, userId: 'u' });
    expect(read.map(({ sequence }) => sequence)).toEqual([1, 3]);
  });

  it('holds nothing of the file when a limit has ended a reading of several types early', async () => {
    const file = await tempSqliteFile();
    const store = new SqliteStore(file);
    await storeEvents(store, 3);
    await store.read({ order: 'asc', after: 0, upTo: 3, limit: 1, eventTypes: ['LOGIN', 'LOGOUT'] });
    expect(file.db.prepare('pragma wal_checkpoint(truncate)').get()).toMatchObject({ busy: 0 });
  });

  it('refuses a file of a newer Footfall', async () => {
    const file = await tempSqliteFile();
    new SqliteStore(file);
    file.db.exec("update schema_versions set version = 99 where name = 'store'");
    expect(() => new SqliteStore(file)).toThrow('newer Footfall');
  });

  it('ends a reading without fault when rows are deleted under it', async () => {
    const file = await tempSqliteFile();
    const store = new SqliteStore(file);
    await storeEvents(store, 1500);
    const reading = readAll(store);
    const { length } = (await reading.next()).value!;
    file.db.exec(`delete from events where seq > ${length}`);
    expect((await reading.next()).done).toBe(true);
  });
});
