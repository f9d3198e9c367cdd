import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FencedError, StoreUnavailableError } from '../../src/store/event-store.ts';
import { listeningLogger } from '../support/logger.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { byHand, freshDatabase, holdConnection, openStore } from '../support/postgres.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';

const NAMES = globSync('src/store/postgres/migrations/*.sql').map((path) => basename(path, '.sql'));
const NEWEST = NAMES.sort().at(-1)!;
const MIGRATED_LATER = 'has migration 9999_future, beside which this version cannot work. Start the version';

/** A database that a newer release has migrated. @param compatibleFrom as that release says it in the bookkeeping */
async function ofNewerRelease(compatibleFrom: string | null): Promise<string> {
  const url = await freshDatabase();
  await openStore(url).ping(PATIENCE_MS);
  const value = compatibleFrom === null ? 'null' : `'${compatibleFrom}'`;
  await byHand(
    url,
    `insert into footfall_migrations (name, run_on, compatible_from) values ('9999_future', now(), ${value})`,
  );
  return url;
}

describe('a release beside a newer schema', () => {
  it('goes on where the newer one says that it can, and says so once', async () => {
    const url = await ofNewerRelease(NEWEST);
    const { logger, lines } = listeningLogger();
    const store = openStore(url, logger);
    await store.claim(TOPIC, [0]);
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([newEvent()], { epoch: 2 })]);
    expect(lines.map(({ msg }) => msg)).toEqual([
      'The database is of a newer Footfall, which says that this version works beside it: 9999_future',
    ]);
    expect(await openStore(url).inspect(PATIENCE_MS)).toBe(
      'PostgreSQL, tables in schema public; of a newer Footfall, beside which this one works (9999_future)',
    );
  });

  it.each([null, '9998_between'])(
    'is refused where the newer one works with %s at the least',
    async (from) => {
      const url = await ofNewerRelease(from);
      await expect(openStore(url).ping(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
      await expect(openStore(url).inspect(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
      await expect(openStore(url).migrate()).rejects.toThrow(StoreUnavailableError);
    },
  );

  it('changes nothing of what it does not know whole', async () => {
    const url = await ofNewerRelease(NEWEST);
    await byHand(url, 'drop index events_by_hour');
    await openStore(url).migrate();
    expect(await byHand(url, "select 1 from pg_class where relname = 'events_by_hour'")).toEqual([]);
    await byHand(url, `delete from footfall_migrations where name = '${NEWEST}'`);
    await expect(openStore(url).ping(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
  });

  it('makes no tables of its own in place of those of the newer one', async () => {
    const url = await ofNewerRelease(NEWEST);
    const tables = await byHand<{ name: string }>(
      url,
      "select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'footfall_migrations'",
    );
    await byHand(url, `drop table ${tables.map(({ name }) => name).join()}`);
    await expect(openStore(url).ping(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
  });

  it('works with a bookkeeping from before releases said that', async () => {
    const url = await freshDatabase();
    await openStore(url).ping(PATIENCE_MS);
    await byHand(url, 'alter table footfall_migrations drop column compatible_from');
    await openStore(url).ping(PATIENCE_MS);
    await byHand(url, `delete from footfall_migrations where name = '${NEWEST}'`);
    await openStore(url).ping(PATIENCE_MS);
    expect(await byHand(url, 'select name from footfall_migrations where compatible_from is null')).toEqual(
      expect.arrayContaining([{ name: NEWEST }]),
    );
  });
});

describe('a release that runs while a newer one migrates', () => {
  it('stores nothing more until it has looked whether it still can', async () => {
    const url = await freshDatabase();
    const running = openStore(url);
    await running.claim(TOPIC, [0]);
    await running.process([newBatch([newEvent()])]);
    // As if it was of the release before the newest, which says of nobody that they can go on.
    await byHand(url, `delete from footfall_migrations where name = '${NEWEST}'`);
    await openStore(url).ping(PATIENCE_MS);
    const next = newBatch([newEvent()], { fromOffset: 1, nextOffset: 2 });
    await expect(running.process([next])).rejects.toThrow(FencedError);
    await byHand(url, "insert into footfall_migrations (name, run_on) values ('9999_future', now())");
    const claims = () => byHand(url, 'select epoch from positions');
    const before = await claims();
    await expect(running.claim(TOPIC, [0])).rejects.toThrow(MIGRATED_LATER);
    await expect(running.ping(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
    // Those of whoever can go on.
    expect(await claims()).toEqual(before);
  });

  it('stores while the migration waits for a table, which gives up before that is noticed', async () => {
    const url = await freshDatabase();
    const running = openStore(url);
    await running.claim(TOPIC, [0]);
    await byHand(url, "delete from footfall_migrations where name >= '0006'; drop table known_values");
    const reader = await holdConnection(url);
    await reader.query('begin; select 1 from events');
    const migrating = openStore(url).migrate();
    const failed = expect(migrating).rejects.toThrow(/^a table was not free within 5 s.*nothing has changed/);
    await expect.poll(() => byHand(url, 'select 1 from pg_locks where not granted')).toHaveLength(1);
    await running.process([newBatch([newEvent()])]);
    await failed;
    expect(await byHand(url, "select 1 from footfall_migrations where name >= '0006'")).toEqual([]);
    await reader.query('rollback');
    await byHand(url, 'alter table events drop column happened_at');
    await openStore(url).migrate();
  });

  it('has no claim that it made while the migration ran', async () => {
    const url = await freshDatabase();
    const running = openStore(url);
    await running.claim(TOPIC, [0]);
    const migration = await holdConnection(url);
    await migration.query('begin; update positions set epoch = epoch + 1');
    const claimed = running.claim(TOPIC, [0]).then(
      () => 'claimed',
      (error: Error) => error.message,
    );
    await expect.poll(() => byHand(url, 'select 1 from pg_locks where not granted')).toHaveLength(1);
    await migration.query(
      "insert into footfall_migrations (name, run_on) values ('9999_future', now()); commit",
    );
    expect(await claimed).toContain(MIGRATED_LATER);
  });
});

describe('a release that must not migrate', () => {
  it('says what is missing and who has to do it, and goes on by itself then', async () => {
    const url = await freshDatabase();
    const store = openStore(url, undefined, 2, false);
    const lacks = (names: string[]) =>
      `schema public lacks the migrations ${names.join(', ')}, and DATABASE_MIGRATE=off keeps Footfall from running them: run "footfall migrate" as the owner of the tables`;
    await expect(store.claim(TOPIC, [0])).rejects.toThrow(lacks(NAMES));
    await expect(store.inspect(PATIENCE_MS)).rejects.toThrow(lacks(NAMES));
    expect(await byHand(url, "select 1 from pg_tables where schemaname = 'public'")).toEqual([]);
    await openStore(url).migrate();
    await store.claim(TOPIC, [0]);
    await byHand(url, `delete from footfall_migrations where name = '${NEWEST}'`);
    await expect(store.claim(TOPIC, [0])).rejects.toThrow(lacks([NEWEST]));
    // Also where its own settings say the opposite: whoever gives the command wants it.
    await openStore(url, undefined, 2, false).migrate();
    await store.claim(TOPIC, [0]);
    await store.ping(PATIENCE_MS);
  });
});
