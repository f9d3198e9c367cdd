import { describe, expect, it, onTestFinished } from 'vitest';
import { StoreUnavailableError } from '../../src/store/event-store.ts';
import { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { WITHOUT_RETENTION_IN_POSTGRES } from '../support/earlier-tables.ts';
import { silentLogger } from '../support/logger.ts';
import { PATIENCE_MS, RUNS_OUT_MS } from '../support/patience.ts';
import {
  byHand,
  createRole,
  freshDatabase,
  holdConnection,
  inSchema,
  openStore,
} from '../support/postgres.ts';

const tablesIn = (url: string) =>
  byHand<{ tables: number }>(
    url,
    "select count(*)::int as tables from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
  ).then(([row]) => row!.tables);

describe('a store that is only looked at', () => {
  const look = (url: string) => {
    const store = new PostgresStore({ url, poolSize: 1, onlyLooks: true, logger: silentLogger });
    onTestFinished(() => store.close());
    return store.positions('group', 'topic');
  };
  const isOlder = (lack: string) =>
    `the tables in schema public are of an earlier version (they lack ${lack}), and a command that only looks leaves them so: run "footfall migrate", or start the service`;

  it.each([
    ['there are none', [], 'schema public has no tables of Footfall'],
    [
      'they were dropped',
      [
        'drop table events, positions, dead_letters, known_values, counted_up_to, pending_values, event_counts, value_counts, distinct_counts, kept_from, gone_events cascade',
      ],
      'schema public has no tables of Footfall',
    ],
    [
      'they are older',
      [
        `${WITHOUT_RETENTION_IN_POSTGRES} delete from footfall_migrations where name >= '0007'; drop table known_values`,
      ],
      isOlder('0007_known_values, 0008_ranges, 0009_retention'),
    ],
  ])('says so where %s, and leaves them', async (_state, statements, said) => {
    const url = await freshDatabase();
    if (statements.length > 0) await openStore(url).ping(PATIENCE_MS);
    for (const statement of statements) await byHand(url, statement);
    const before = await tablesIn(url);
    await expect(look(url)).rejects.toThrow(said);
    expect(await tablesIn(url)).toBe(before);
  });

  it('says so where their list is elsewhere, and reads tables that are as they should be', async () => {
    const url = await freshDatabase();
    await byHand(url, 'create schema one');
    await openStore(inSchema(url, 'one')).ping(PATIENCE_MS);
    expect(await look(inSchema(url, 'one'))).toEqual([]);
    await byHand(url, 'alter table one.footfall_migrations set schema public');
    await expect(look(inSchema(url, 'one'))).rejects.toThrow('they lack their list of migrations');
  });
});

describe("a store's inspection", () => {
  it('finds that tables are missing, and makes none', async () => {
    const url = await freshDatabase();
    await byHand(url, 'create schema one');
    expect(await openStore(inSchema(url, 'one')).inspect(PATIENCE_MS)).toBe(
      'PostgreSQL, schema one: its tables are missing, and made at the start',
    );
    expect(await tablesIn(url)).toBe(0);
  });

  it('finds tables of an earlier version, and leaves them', async () => {
    const url = await freshDatabase();
    await openStore(url).ping(PATIENCE_MS);
    await byHand(url, WITHOUT_RETENTION_IN_POSTGRES);
    await byHand(url, "delete from footfall_migrations where name >= '0007'; drop table known_values");
    expect(await openStore(url).inspect(PATIENCE_MS)).toBe(
      'PostgreSQL, schema public: its tables are of an earlier version, and changed at the start (0007_known_values, 0008_ranges, 0009_retention)',
    );
  });

  it('finds a list of migrations that an earlier version left in public, and says who moves it', async () => {
    const url = await freshDatabase();
    await byHand(url, 'create schema one');
    await openStore(inSchema(url, 'one')).ping(PATIENCE_MS);
    await byHand(url, 'alter table one.footfall_migrations set schema public');
    expect(await openStore(inSchema(url, 'one')).inspect(PATIENCE_MS)).toBe(
      'PostgreSQL, schema one: its tables are of an earlier version, and changed at the start (the list of migrations moves from schema public)',
    );
    const told = openStore(inSchema(url, 'one'), undefined, 5, false);
    const sentence =
      'the migrations of schema one are listed in schema public, and DATABASE_MIGRATE=off keeps Footfall from moving the list: run "footfall migrate"';
    await expect(told.inspect(PATIENCE_MS)).rejects.toThrow(sentence);
    await expect(told.ping(PATIENCE_MS)).rejects.toThrow(sentence);
    await told.migrate();
    await told.ping(PATIENCE_MS);
  });

  it('finds the tables where they are', async () => {
    const url = await freshDatabase();
    await openStore(url).ping(PATIENCE_MS);
    expect(await openStore(url).inspect(PATIENCE_MS)).toBe('PostgreSQL, tables in schema public');
  });

  it('fails where tables are missing and may not be made', async () => {
    const url = await freshDatabase();
    const { role, as } = await createRole(url);
    await expect(openStore(as(url)).inspect(PATIENCE_MS)).rejects.toThrow(
      `permission denied for schema public: Footfall makes or changes its tables in schema public. Give ${role} the right to`,
    );
  });

  it('fails where nothing could be stored', async () => {
    const url = await freshDatabase();
    await openStore(url).ping(PATIENCE_MS);
    const { role, as } = await createRole(url);
    await byHand(
      url,
      `grant select on all tables in schema public to ${role}; grant select on all sequences in schema public to ${role}`,
    );
    const inspection = openStore(as(url)).inspect(PATIENCE_MS);
    await expect(inspection).rejects.toThrow(new StoreUnavailableError('permission denied for table events'));
  });

  it('says who has locked a table', async () => {
    const url = await freshDatabase();
    await openStore(url).ping(PATIENCE_MS);
    const other = await holdConnection(url);
    await other.query('begin; lock table events');
    await expect(openStore(url).inspect(20 * RUNS_OUT_MS)).rejects.toThrow(
      /^table events is locked by process \d+ since /,
    );
  });
});
