import { describe, expect, it } from 'vitest';
import type { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { WITHOUT_RETENTION_IN_POSTGRES } from '../support/earlier-tables.ts';
import { type LogLine, listeningLogger } from '../support/logger.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import {
  byHand,
  createRole,
  freshDatabase,
  holdConnection,
  openStore,
  waitingForLocks,
} from '../support/postgres.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';

const INDEX = 'events_by_hour';
const DEFINITION = `create index concurrently ${INDEX} on events ((happened_at / 3600000), seq)`;
const IS_HELD_UP = 'waiting for writers before build';

/** A database whose tables lack an index. */
async function lackingIndex(): Promise<string> {
  const url = await freshDatabase();
  await openStore(url).ping(PATIENCE_MS);
  await byHand(url, `drop index ${INDEX}`);
  return url;
}

/** Somebody writes to `events` and does not come to an end: who builds an index waits for that. */
async function holdUp(url: string): Promise<{ end(): Promise<void> }> {
  const writer = await holdConnection(url);
  await writer.query('begin; lock table events in row exclusive mode');
  return { end: async () => void (await writer.query('rollback')) };
}

async function indexOf(url: string): Promise<{ oid: number; isValid: boolean } | undefined> {
  const [index] = await byHand<{ oid: number; isValid: boolean }>(
    url,
    `select indexrelid::integer as oid, indisvalid as "isValid" from pg_index i join pg_class c on c.oid = i.indexrelid
     where c.relname = '${INDEX}'`,
  );
  return index;
}

async function isValid(url: string): Promise<boolean> {
  return (await indexOf(url))?.isValid ?? false;
}

/** What builds of indexes are doing in this database. */
async function builds(url: string): Promise<string[]> {
  const rows = await byHand<{ phase: string }>(
    url,
    'select phase from pg_stat_progress_create_index where datname = current_database()',
  );
  return rows.map(({ phase }) => phase);
}

/** Ends the build as a crash would: PostgreSQL leaves an index that is not valid. */
async function killBuild(url: string): Promise<void> {
  await byHand(
    url,
    'select pg_terminate_backend(pid) from pg_stat_progress_create_index where datname = current_database()',
  );
}

async function storeOne(store: PostgresStore, fromOffset: number | null): Promise<void> {
  const nextOffset = (fromOffset ?? 0) + 1;
  await store.process([newBatch([newEvent()], { fromOffset, nextOffset })]);
}

const said = (lines: readonly LogLine[], pattern: RegExp) => lines.filter(({ msg }) => pattern.test(msg));

describe('an index of tables that hold something', () => {
  it('is built while events are stored, counted and read, also where a transaction holds the build up', async () => {
    const url = await lackingIndex();
    const writer = await holdUp(url);
    // Two connections for everything else.
    const store = openStore(url, undefined, 2);
    await store.claim(TOPIC, [0]);
    await expect.poll(() => builds(url)).toEqual([IS_HELD_UP]);
    await storeOne(store, null);
    await storeOne(store, 1);
    expect(await store.counts.totals()).toMatchObject([{ events: 2 }]);
    expect(await store.read({ order: 'asc', after: 0, upTo: 1e9, limit: 10 })).toHaveLength(2);
    await store.ping(PATIENCE_MS);
    expect(await isValid(url)).toBe(false);
    await writer.end();
    await expect.poll(() => isValid(url)).toBe(true);
  });

  it('is built at the next migration of tables that hold something, and with them where they hold nothing', async () => {
    const url = await freshDatabase();
    const fresh = listeningLogger();
    await openStore(url, fresh.logger).claim(TOPIC, [0]);
    expect(await isValid(url)).toBe(true);
    expect(said(fresh.lines, /index/)).toEqual([]);
    await byHand(url, WITHOUT_RETENTION_IN_POSTGRES);
    await byHand(url, `drop index ${INDEX}; delete from footfall_migrations where name >= '0008'`);
    const writer = await holdUp(url);
    const store = openStore(url);
    await store.ping(PATIENCE_MS);
    await store.claim(TOPIC, [0]);
    await expect.poll(() => builds(url)).toEqual([IS_HELD_UP]);
    await writer.end();
    await expect.poll(() => isValid(url)).toBe(true);
  });

  it('is dropped and built again when the build was killed, without anybody doing anything', async () => {
    const url = await lackingIndex();
    const writer = await holdUp(url);
    const { logger, lines } = listeningLogger();
    await openStore(url, logger).claim(TOPIC, [0]);
    await expect.poll(() => builds(url)).toEqual([IS_HELD_UP]);
    expect(await openStore(url).inspect(PATIENCE_MS)).toContain(`index ${INDEX} is being built`);
    await killBuild(url);
    await expect.poll(() => said(lines, /^An index is not built/)).toHaveLength(1);
    await writer.end();
    await expect.poll(() => isValid(url)).toBe(true);
    expect(said(lines, /^the index is not valid/)).toHaveLength(1);
  });

  it('is built also where somebody ends the transaction that keeps others from building it', async () => {
    const url = await lackingIndex();
    const writer = await holdUp(url);
    const { logger, lines } = listeningLogger();
    await openStore(url, logger).claim(TOPIC, [0]);
    await expect.poll(() => builds(url)).toEqual([IS_HELD_UP]);
    const ofLock = "from pg_locks where locktype = 'advisory' and objsubid = 1 and mode = 'ExclusiveLock'";
    await byHand(
      url,
      `select pg_terminate_backend(pid) ${ofLock} and database = (select oid from pg_database where datname = current_database())`,
    );
    await writer.end();
    await expect.poll(() => isValid(url)).toBe(true);
    expect(said(lines, /^the index is not valid/)).toEqual([]);
    const next = openStore(url);
    await next.claim(TOPIC, [0]);
    await next.process([newBatch([newEvent()], { epoch: 2 })]);
  });

  it('is all that a command waits for, also where its idle connection is lost meanwhile', async () => {
    const url = await lackingIndex();
    const writer = await holdUp(url);
    const migrating = openStore(url).migrate();
    await expect.poll(() => builds(url)).toEqual([IS_HELD_UP]);
    await byHand(
      url,
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and state = 'idle in transaction' and application_name like 'footfall%'`,
    );
    await writer.end();
    await migrating;
    expect(await isValid(url)).toBe(true);
  });

  it('is built by a transaction that doctor does not take for a forgotten one', async () => {
    const url = await lackingIndex();
    const gate = await holdConnection(url);
    await gate.query('select pg_advisory_lock(1)');
    // Somebody who holds the build up and is not idle.
    const writer = await holdConnection(url);
    const written = writer.query(
      'begin; lock table events in row exclusive mode; select pg_advisory_lock(1); rollback',
    );
    await expect.poll(() => waitingForLocks(url)).toHaveLength(1);
    await openStore(url).claim(TOPIC, [0]);
    await expect.poll(() => builds(url)).toEqual([IS_HELD_UP]);
    expect((await openStore(url).examine(PATIENCE_MS)).facts).toMatchObject({ idlePid: null });
    await gate.query('select pg_advisory_unlock(1)');
    await written;
    await expect.poll(() => isValid(url)).toBe(true);
  });

  it('that is not valid is found by whoever looks, and by the next start', async () => {
    const url = await lackingIndex();
    const writer = await holdUp(url);
    const builder = await holdConnection(url);
    const ended = builder.query(DEFINITION).catch((error: Error) => error.message);
    await expect.poll(() => builds(url)).toEqual([IS_HELD_UP]);
    await killBuild(url);
    expect(await ended).toContain('terminating connection');
    await writer.end();
    const sentence = `index ${INDEX} is INVALID, and what reads by it is slow: "footfall migrate" builds it`;
    await expect.poll(() => openStore(url).inspect(PATIENCE_MS)).toContain(sentence);
    const { warnings } = await openStore(url).examine(PATIENCE_MS);
    expect(warnings).toEqual([expect.stringContaining(sentence)]);
    await openStore(url).claim(TOPIC, [0]);
    await expect.poll(() => isValid(url)).toBe(true);
    expect(await openStore(url).inspect(PATIENCE_MS)).toBe('PostgreSQL, tables in schema public');
  });

  it('is waited for, not built once more, where PostgreSQL goes on with it for a process that is no more', async () => {
    const url = await lackingIndex();
    const writer = await holdUp(url);
    const orphan = await holdConnection(url);
    const built = orphan.query(DEFINITION);
    await expect.poll(() => builds(url)).toEqual([IS_HELD_UP]);
    const before = await indexOf(url);
    const { logger, lines } = listeningLogger();
    const migrating = openStore(url, logger).migrate();
    const isLocked = () =>
      byHand(
        url,
        `select 1 from pg_locks where locktype = 'advisory' and objsubid = 1 and mode = 'ExclusiveLock' and granted
         and database = (select oid from pg_database where datname = current_database())`,
      );
    await expect.poll(isLocked).toHaveLength(1);
    await writer.end();
    await built;
    await migrating;
    expect(await indexOf(url)).toEqual({ oid: before!.oid, isValid: true });
    expect(said(lines, /index/)).toEqual([]);
  });

  it('is built by one of those that start together', async () => {
    const url = await lackingIndex();
    await byHand(url, 'drop index events_by_time, dead_letters_waiting');
    const writer = await holdUp(url);
    const { logger, lines } = listeningLogger();
    const migrating = [1, 2, 3].map(() => openStore(url, logger).migrate());
    await expect.poll(() => builds(url)).toEqual([IS_HELD_UP]);
    await writer.end();
    await Promise.all(migrating);
    expect(said(lines, /^index built/)).toHaveLength(3);
    expect(await openStore(url).inspect(PATIENCE_MS)).toBe('PostgreSQL, tables in schema public');
  });

  it('takes as long as it takes, whatever limits the role has', async () => {
    const url = await lackingIndex();
    const limits = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
    const without = `${url}?options=${encodeURIComponent(limits.map((limit) => `-c ${limit}=0`).join(' '))}`;
    const database = new URL(url).pathname.slice(1);
    await byHand(without, limits.map((limit) => `alter database ${database} set ${limit} = 1`).join(';'));
    const writer = await holdUp(without);
    const migrating = openStore(url).migrate();
    await expect.poll(() => builds(without)).toEqual([IS_HELD_UP]);
    await writer.end();
    await migrating;
  });

  it('does not keep a store from closing while it is built', async () => {
    const url = await lackingIndex();
    const writer = await holdUp(url);
    const { logger, lines } = listeningLogger();
    const store = openStore(url, logger);
    await store.claim(TOPIC, [0]);
    await expect.poll(() => builds(url)).toEqual([IS_HELD_UP]);
    // A second one, which waits for the first to be done with it.
    const other = openStore(url, logger);
    await other.claim(TOPIC, [0]);
    await Promise.all([store.close(), other.close()]);
    expect(said(lines, /^An index is not built/)).toEqual([]);
    await writer.end();
    await openStore(url).migrate();
    expect(await isValid(url)).toBe(true);
  });

  it('says why no connection can be opened for it', async () => {
    const url = await lackingIndex();
    const { role, as } = await createRole(url);
    await byHand(
      url,
      `grant select on all tables in schema public to ${role}; grant select on all sequences in schema public to ${role};
       alter role ${role} connection limit 1`,
    );
    await expect(openStore(as(url)).migrate()).rejects.toThrow(`too many connections for role "${role}"`);
  });

  it('is left to the owner of the tables by a role that may not build it, which says so', async () => {
    const url = await lackingIndex();
    const { role, as } = await createRole(url);
    await byHand(
      url,
      `grant select, insert, update, delete on all tables in schema public to ${role};
       grant select on all sequences in schema public to ${role}`,
    );
    await expect(openStore(as(url)).migrate()).rejects.toThrow('must be owner of table events');
    const { logger, lines } = listeningLogger();
    const store = openStore(as(url), logger, 2, false);
    await store.claim(TOPIC, [0]);
    await store.claim(TOPIC, [0]);
    const isLeft = /missing or not valid.*events_by_hour.*footfall migrate/;
    expect(said(lines, isLeft)).toHaveLength(1);
    await store.process([newBatch([newEvent()], { epoch: 2 })]);
    expect(await builds(url)).toEqual([]);
    // Also where its settings let it try: once.
    const trying = listeningLogger();
    const other = openStore(as(url), trying.logger);
    await other.claim(TOPIC, [0]);
    await expect.poll(() => said(trying.lines, isLeft)).toHaveLength(1);
    await other.claim(TOPIC, [0]);
    expect(said(trying.lines, /index/)).toHaveLength(2);
  });
});
