import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { createDatabase, PostgresServer } from '../../scripts/postgres-server.ts';
import { Meter } from '../../src/observability/meter.ts';
import type { Claim } from '../../src/store/event-store.ts';
import { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { listeningLogger, silentLogger } from '../support/logger.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { byHand, createRole, holdConnection, inSchema } from '../support/postgres.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';
import { eventStoreContract } from './event-store.contract.ts';

describe('a PostgreSQL store that reads from a replica', () => {
  let folder: string;
  let primary: PostgresServer;
  let replica: PostgresServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'footfall-replica-'));
    // As root, PostgreSQL runs as a user of its own, who must get in.
    await chmod(folder, 0o755);
    primary = await PostgresServer.start(join(folder, 'primary'));
    replica = await primary.startReplica(join(folder, 'replica'));
  });
  afterAll(async () => {
    await Promise.all([replica.stop(), primary.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  const onReplica = (url: string) => url.replace(primary.url, replica.url);

  /** A store on a database of its own, or on that of another, and what it says and counts. */
  async function open(options: { url?: string; readUrl?: string } = {}) {
    const { url = await createDatabase(primary.url), readUrl = onReplica(url) } = options;
    const meter = new Meter();
    const { logger, lines } = listeningLogger();
    const store = new PostgresStore({ url, readUrl, poolSize: 3, logger, meter });
    onTestFinished(() => store.close());
    const readFrom = async (server: 'replica' | 'primary') => {
      const text = await meter.registry.metrics();
      return Number(new RegExp(`store_reads_total\\{from="${server}"\\} (\\d+)`).exec(text)?.[1]);
    };
    const everything = () => store.read({ order: 'asc', after: 0, upTo: Number.MAX_SAFE_INTEGER, limit: 10 });
    const inspect = () => store.inspect(PATIENCE_MS);
    const said = () => lines.map(({ msg }) => msg).filter((text) => text.includes('DATABASE_READ_URL'));
    return { store, inspect, said, readFrom, everything };
  }

  /** Resolves when the replica answers, which takes a moment after the primary was restarted. */
  async function isAsked({ everything, readFrom }: Awaited<ReturnType<typeof open>>) {
    await expect
      .poll(async () => {
        await everything();
        return readFrom('replica');
      })
      .toBeGreaterThan(0);
  }

  /** Resolves when it has been asked to read, and that is what it said last: a new database takes a moment to be there. */
  async function saysThat({ everything, said }: Awaited<ReturnType<typeof open>>, what: string) {
    await expect
      .poll(async () => {
        await everything();
        return said().at(-1);
      })
      .toContain(what);
  }

  async function storeOne({ store }: { store: PostgresStore }) {
    const [{ epoch, offset }] = (await store.claim(TOPIC, [0])) as [Claim];
    await store.process([
      newBatch([newEvent()], { epoch, fromOffset: offset, nextOffset: (offset ?? 0) + 1 }),
    ]);
  }

  eventStoreContract(
    async () => {
      const url = await createDatabase(primary.url);
      const another = () => {
        const options = { url, readUrl: onReplica(url), poolSize: 5, logger: silentLogger };
        const store = new PostgresStore(options);
        onTestFinished(() => store.close());
        return store;
      };
      return {
        store: another(),
        second: async () => another(),
        sql: async (text) => void (await byHand(url, text)),
      };
    },
    { durable: true },
  );

  it('asks the replica', async () => {
    const opened = await open();
    await storeOne(opened);
    await isAsked(opened);
    expect(await opened.everything()).toHaveLength(1);
    expect(await opened.inspect()).toBe('PostgreSQL, tables in schema public, events read from a replica');
  });

  it('lets the primary answer while the replica is behind, and the replica once it has caught up', async () => {
    const opened = await open();
    await storeOne(opened);
    await isAsked(opened);
    const [before, said] = [await opened.readFrom('primary'), opened.said()];
    await byHand(`${replica.url}/postgres`, 'select pg_wal_replay_pause()');
    try {
      await storeOne(opened);
      expect(await opened.everything()).toHaveLength(2);
      expect(await opened.readFrom('primary')).toBe(before + 1);
      expect(await opened.inspect()).toContain('events read from a replica');
    } finally {
      await byHand(`${replica.url}/postgres`, 'select pg_wal_replay_resume()');
    }
    await isAsked(opened);
    expect(await opened.everything()).toHaveLength(2);
    // It happens all the time, and is counted.
    expect(opened.said()).toEqual(said);
  });

  it('lets the primary answer while the replica is stopped, and says so', async () => {
    const opened = await open();
    await storeOne(opened);
    await isAsked(opened);
    await replica.stop();
    await saysThat(opened, 'Reads go to the primary, since DATABASE_READ_URL cannot answer them');
    expect(await opened.everything()).toHaveLength(1);
    await replica.restart();
    await saysThat(opened, 'Reads go to DATABASE_READ_URL again');
  });

  it.each<[when: string, happens: (url: string) => Promise<unknown>]>([
    [
      'the next record of the primary would begin in another segment',
      (url) => byHand(url, 'select pg_switch_wal()'),
    ],
    [
      'somebody has written something and not committed it',
      async (url) => (await holdConnection(url)).query('begin; create table another ()'),
    ],
  ])('is not behind when %s', async (_when, happens) => {
    const url = await createDatabase(primary.url);
    const opened = await open({ url });
    await storeOne(opened);
    await isAsked(opened);
    const before = await opened.readFrom('primary');
    await happens(url);
    expect(await opened.everything()).toHaveLength(1);
    expect(await opened.readFrom('primary')).toBe(before);
  });

  it('does not burden the primary, too, with what takes too long', async () => {
    const url = await createDatabase(primary.url);
    const opened = await open({ url });
    await storeOne(opened);
    await isAsked(opened);
    const before = await opened.readFrom('primary');
    const other = await holdConnection(url);
    await other.query('begin; lock table events in access exclusive mode');
    // A commit brings to the replica what was logged before it.
    await byHand(url, 'create table another ()');
    const reading = opened.everything().catch((error: Error) => error.message);
    // As the limit on statements does, half a minute later.
    const cancel =
      "select pg_cancel_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    await expect.poll(() => byHand(onReplica(url), cancel)).toHaveLength(1);
    expect(await reading).toContain('canceling statement');
    await other.query('rollback');
    expect(await opened.readFrom('primary')).toBe(before);
  });

  it('lets the primary answer where its role may not ask how far the log is', async () => {
    const url = await createDatabase(primary.url);
    await byHand(url, 'revoke execute on function pg_control_system() from public');
    const { role, as } = await createRole(url);
    await byHand(url, `grant create on schema public to ${role}`);
    const opened = await open({ url: as(url), readUrl: as(onReplica(url)) });
    await storeOne(opened);
    expect(await opened.everything()).toHaveLength(1);
    expect(opened.said()).toEqual([expect.stringContaining('the primary does not say where its')]);
  });

  it.each<[what: string, readUrl: (url: string) => string | Promise<string>, says: string]>([
    ['the primary itself', (url) => url, 'it does not lead to a replica'],
    ['another server', () => createDatabase(inject('postgres')), 'it leads to another server'],
    [
      'another database',
      () => onReplica(`${primary.url}/postgres`),
      'it leads to database postgres, not test_',
    ],
    [
      'another schema',
      (url) => inSchema(onReplica(url), 'pg_catalog'),
      'its search_path leads to schema pg_catalog, not public',
    ],
  ])('lets the primary answer where the address leads to %s', async (_what, readUrl, says) => {
    const url = await createDatabase(primary.url);
    const opened = await open({ url, readUrl: await readUrl(url) });
    await storeOne(opened);
    await saysThat(opened, says);
    expect(await opened.everything()).toHaveLength(1);
    expect(await opened.readFrom('replica')).toBe(0);
    await expect(opened.inspect()).rejects.toThrow(says);
  });

  it('reads neither a server that has become a primary nor, from that, a replica of the one before', async () => {
    const promoted = await primary.startReplica(join(folder, 'promoted'));
    onTestFinished(() => promoted.stop());
    const url = await createDatabase(primary.url);
    const opened = await open({ url, readUrl: url.replace(primary.url, promoted.url) });
    await storeOne(opened);
    await isAsked(opened);
    await isAsked(await open({ url }));
    await byHand(`${promoted.url}/postgres`, 'select pg_promote()');
    const before = await opened.readFrom('replica');
    await storeOne(opened);
    await saysThat(opened, 'it does not lead to a replica');
    expect(await opened.everything()).toHaveLength(2);
    expect(await opened.readFrom('replica')).toBe(before);

    // The old primary's replica may be further than the new primary, with other events.
    const afterFailover = await open({
      url: url.replace(primary.url, promoted.url),
      readUrl: onReplica(url),
    });
    await storeOne(opened);
    await saysThat(afterFailover, 'it follows timeline 1');
    expect(await afterFailover.everything()).toHaveLength(1);
  });
});
