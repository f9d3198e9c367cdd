import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { listeningLogger } from '../support/logger.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { hasPgBouncer, PgBouncer, type PgBouncerOptions } from '../support/pgbouncer.ts';
import { byHand, createRole, freshDatabase, inSchema, openStore } from '../support/postgres.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';
import { eventStoreContract } from './event-store.contract.ts';

const GOES_ON = /going on without prepared statements/;
const NO_LIMIT = /^Nothing limits how long PostgreSQL works .* ALTER ROLE "footfall" SET statement_timeout/;

// Left out only where there is no PgBouncer, and said so; with CI=true that is an error instead.
describe.skipIf(!hasPgBouncer())('PostgreSQL store through PgBouncer', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'footfall-pgbouncer-'));
    await chmod(folder, 0o755);
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** In front of the server of the tests. */
  function startPgBouncer(options: Omit<PgBouncerOptions, 'folder' | 'postgres'>): Promise<PgBouncer> {
    return PgBouncer.start({ folder, postgres: inject('postgres'), ...options });
  }

  /** The address of the same database through PgBouncer. */
  const through = (bouncer: PgBouncer, url: string) => url.replace(/^.*(?=\/)/, bouncer.url);

  describe.each([
    // Fewer connections to the server than clients: hardly a transaction has the connection of the one before.
    { mode: 'transaction', poolSize: 3 },
    { mode: 'session', poolSize: 20 },
  ] as const)('in $mode mode', ({ mode, poolSize }) => {
    let bouncer: PgBouncer;

    beforeAll(async () => {
      bouncer = await startPgBouncer({ mode, poolSize });
    });
    afterAll(() => bouncer.stop());

    eventStoreContract(
      async () => {
        const url = through(bouncer, await freshDatabase());
        const harness = {
          store: openStore(url),
          second: async () => openStore(url),
          sql: async (text: string) => void (await byHand(url, text)),
        };
        return harness;
      },
      { durable: true },
    );

    it('creates its tables once when several instances start, and leaves no lock behind', async () => {
      const url = await freshDatabase();
      const stores = [1, 2, 3, 4].map(() => openStore(through(bouncer, url)));
      await Promise.all(stores.map((store) => store.ping(PATIENCE_MS)));
      expect(
        await byHand(url, 'select name from footfall_migrations group by name having count(*) > 1'),
      ).toEqual([]);
      await expect
        .poll(() => byHand(url, "select 1 from pg_locks where locktype = 'advisory' and database <> 0"))
        .toEqual([]);
    });

    it('builds an index, and leaves no lock behind', async () => {
      const url = await freshDatabase();
      await openStore(url).ping(PATIENCE_MS);
      await byHand(url, 'drop index events_by_hour, events_by_time');
      const stores = [1, 2].map(() => openStore(through(bouncer, url)));
      await Promise.all(stores.map((store) => store.migrate()));
      expect(await openStore(url).inspect(PATIENCE_MS)).toBe('PostgreSQL, tables in schema public');
      await expect
        .poll(() => byHand(url, "select 1 from pg_locks where locktype = 'advisory' and database <> 0"))
        .toEqual([]);
    });

    it('says that nothing limits a statement, unless the role has a limit', async () => {
      const url = await freshDatabase();
      const { logger, lines } = listeningLogger();
      await openStore(through(bouncer, url), logger).ping(PATIENCE_MS);
      expect(lines.map(({ msg }) => msg)).toContainEqual(expect.stringMatching(NO_LIMIT));
      const limited = await freshDatabase();
      await byHand(
        limited,
        `alter role footfall in database ${new URL(limited).pathname.slice(1)} set statement_timeout = '25s'`,
      );
      const other = listeningLogger();
      await openStore(through(bouncer, limited), other.logger).ping(PATIENCE_MS);
      expect(other.lines.map(({ msg }) => msg)).not.toContainEqual(expect.stringMatching(NO_LIMIT));
    });
  });

  it('stores without prepared statements once a transaction gets another connection, and no call fails', async () => {
    const bouncer = await startPgBouncer({ mode: 'transaction', poolSize: 2 });
    onTestFinished(() => bouncer.stop());
    const url = through(bouncer, await freshDatabase());
    const { logger, lines } = listeningLogger();
    const store = openStore(url, logger);
    const partitions = Array.from({ length: 20 }, (_, partition) => partition);
    await store.claim(TOPIC, partitions);
    await Promise.all(
      partitions.map((partition) => store.process([newBatch([newEvent({ userId: 'u' })], { partition })])),
    );
    expect(await store.counts.totals()).toMatchObject([{ events: partitions.length }]);
    expect(lines.filter(({ msg }) => GOES_ON.test(msg))).toHaveLength(1);
  });

  it('keeps prepared statements where connections stay with their client', async () => {
    const bouncer = await startPgBouncer({ mode: 'session', poolSize: 10 });
    onTestFinished(() => bouncer.stop());
    const url = await freshDatabase();
    const { logger, lines } = listeningLogger();
    const store = openStore(through(bouncer, url), logger, 1);
    await store.claim(TOPIC, [0, 1]);
    await store.process([newBatch([newEvent({ userId: 'u' })])]);
    await store.process([newBatch([newEvent({ userId: 'u' })], { partition: 1 })]);
    expect(lines.filter(({ msg }) => GOES_ON.test(msg))).toEqual([]);
  });

  it('takes the search path of the role, and does not mistake another schema for it', async () => {
    const refusing = await startPgBouncer({ mode: 'transaction', poolSize: 2 });
    onTestFinished(() => refusing.stop());
    const deaf = await startPgBouncer({
      mode: 'transaction',
      poolSize: 2,
      ignored: 'options,statement_timeout',
    });
    onTestFinished(() => deaf.stop());
    const url = await freshDatabase();
    await byHand(url, 'create schema one');
    await expect(openStore(inSchema(through(refusing, url), 'one')).ping(PATIENCE_MS)).rejects.toThrow(
      'unsupported startup parameter: options: the pooler in between takes no options: leave them out of DATABASE_URL and give them to the role',
    );
    await expect(openStore(inSchema(through(deaf, url), 'one')).ping(PATIENCE_MS)).rejects.toThrow(
      'the search_path of DATABASE_URL does not reach the database, which has "$user", public: a pooler in between drops it',
    );
    expect(await byHand(url, "select 1 from pg_tables where tablename = 'events'")).toEqual([]);
    await byHand(
      url,
      `alter role footfall in database ${new URL(url).pathname.slice(1)} set search_path = one`,
    );
    await openStore(through(refusing, url)).ping(PATIENCE_MS);
    expect(
      await byHand(url, "select schemaname as schema from pg_tables where tablename = 'events'"),
    ).toEqual([{ schema: 'one' }]);
  });

  it('says what PgBouncer says: no such database, no such user', async () => {
    const bouncer = await startPgBouncer({ mode: 'session', poolSize: 2 });
    onTestFinished(() => bouncer.stop());
    const { as } = await createRole(await freshDatabase());
    await expect(openStore(`${bouncer.url}/nowhere`).ping(PATIENCE_MS)).rejects.toThrow(/nowhere/);
    await expect(openStore(as(`${bouncer.url}/postgres`)).ping(PATIENCE_MS)).rejects.toThrow(
      /password authentication failed|no such user/,
    );
  });
});
