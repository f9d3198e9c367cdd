import { randomUUID } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readAll } from '../../../src/query/event-query.ts';
import { openSqliteFile, type SqliteFile } from '../../../src/sqlite/sqlite-file.ts';
import { StoreUnavailableError } from '../../../src/store/event-store.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { appendTo } from '../../support/append.ts';
import { openLog } from '../../support/embedded-log.ts';
import { tempSqliteFile } from '../../support/sqlite-file.ts';
import { newBatch, newEvent, TOPIC } from '../../support/store-batches.ts';
import { tempFolder } from '../../support/temp-folder.ts';

/** The first page tells what the file is. */
const PAGE = 4096;

/** SQLite reports the same error for its page limit as for a disk without room. */
function fill({ db }: SqliteFile): void {
  db.exec('pragma max_page_count = 1');
}

function makeRoom({ db }: SqliteFile): void {
  db.exec('pragma max_page_count = 1000000');
}

describe('on a full disk', () => {
  it('the log refuses what it cannot keep, keeps what it has, and goes on when there is room', async () => {
    const { file, log } = await openLog();
    const append = (value: string) => appendTo(log, [{ topic: 'events', key: 'u', value, headers: [] }]);
    expect(await append('before')).toMatchObject([{ offset: 0 }]);
    fill(file);
    await expect(append('x'.repeat(100_000))).rejects.toMatchObject({
      failure: 'unconfirmed',
      retryable: true,
    });
    const [kept] = await log.read('events', [{ partition: 0, offset: 0 }]);
    expect(kept!.value!.toString()).toBe('before');
    makeRoom(file);
    expect(await append('after')).toMatchObject([{ offset: 1 }]);
  });

  it('the store stores all of a batch or nothing, and the position stays', async () => {
    const file = await tempSqliteFile();
    const store = new SqliteStore(file);
    await store.claim(TOPIC, [0]);
    const json = JSON.stringify({ text: 'x'.repeat(5000) });
    const batch = newBatch(Array.from({ length: 50 }, () => newEvent({ json })));
    fill(file);
    await expect(store.process([batch])).rejects.toThrow(
      new StoreUnavailableError('database or disk is full'),
    );
    expect((await Array.fromAsync(readAll(store))).flat().map(({ json }) => json)).toEqual([]);
    expect(await store.positions(TOPIC.group, TOPIC.topic)).toMatchObject([{ offset: null, stored: 0 }]);
    makeRoom(file);
    expect((await store.process([batch])).stored).toEqual([batch.events.map(() => true)]);
    expect(file.db.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' });
  });
});

describe('a file that is damaged, or may not be written', () => {
  it('is an outage of the store, for who reads, counts and writes', async () => {
    const path = join(await tempFolder(), 'footfall.db');
    const file = openSqliteFile(path);
    onTestFinished(() => file.close());
    const store = new SqliteStore(file);
    await store.claim(TOPIC, [0]);
    file.db.exec('pragma wal_checkpoint(truncate); pragma cache_size = 1; pragma shrink_memory');
    const { size } = await stat(path);
    const disk = await open(path, 'r+');
    await disk.write(Buffer.alloc(size - PAGE, 0xff), 0, size - PAGE, PAGE);
    await disk.close();
    const outage = new StoreUnavailableError('database disk image is malformed');
    await expect(store.claim(TOPIC, [0])).rejects.toThrow(outage);
    await expect(store.watermarks()).rejects.toThrow(outage);
    await expect(store.read({ order: 'asc', after: 0, upTo: 9, limit: 9 })).rejects.toThrow(outage);
    await expect(store.get([randomUUID()])).rejects.toThrow(outage);
    await expect(store.positions(TOPIC.group, TOPIC.topic)).rejects.toThrow(outage);
    await expect(store.deadLetters(TOPIC.group, { limit: 1 })).rejects.toThrow(outage);
    await expect(store.markRedriven(TOPIC.group, [1], new Date())).rejects.toThrow(outage);
    await expect(store.counts.totals()).rejects.toThrow(outage);
  });

  it('shows in a ping', async () => {
    const file = await tempSqliteFile();
    const store = new SqliteStore(file);
    file.db.exec('pragma query_only = on');
    await expect(store.ping()).rejects.toThrow(
      new StoreUnavailableError('attempt to write a readonly database'),
    );
    file.db.exec('pragma query_only = off');
    await store.ping();
  });
});
