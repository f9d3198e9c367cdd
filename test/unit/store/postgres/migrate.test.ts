import type { ClientBase } from 'pg';
import { describe, expect, it } from 'vitest';
import { BeingMigratedError, migrate } from '../../../../src/store/postgres/migrate.ts';
import { MIGRATIONS } from '../../../../src/store/postgres/migration-files.ts';
import { handClock } from '../../../support/hand-clock.ts';
import { listeningLogger } from '../../../support/logger.ts';
import { COMPLETE, type Found, standingClient } from '../../../support/scripted-standing.ts';

const NAMES = MIGRATIONS.map(({ name }) => name);
const EMPTY = { tables: [], hasBookkeeping: false, applied: [] };
const MOST_LOOKS = 10;

interface Given {
  found: Partial<Found>;
  /** Whether another instance is at work, each time; then none is. */
  others?: boolean[];
  hasCompatibleFrom?: boolean;
}

function migrating({ found, others = [], hasCompatibleFrom = true }: Given) {
  const ran: string[] = [];
  const limits = new Set<unknown>();
  const { client } = standingClient(() => found);
  const query = async (asked: string | { text: string; values: unknown[]; query_timeout: number }) => {
    if (typeof asked === 'string') return client.query(asked);
    const { text, values, query_timeout } = asked;
    limits.add(query_timeout);
    if (text.startsWith('begin;')) {
      ran.push('begin');
      return [{ rows: [] }, { rows: [] }, { rows: [{ isOurs: !others.shift() }] }];
    }
    if (text.includes('pg_attribute')) return { rowCount: hasCompatibleFrom ? 1 : 0 };
    ran.push([text, ...values].join(' | '));
    return { rows: [] };
  };
  const { logger, lines } = listeningLogger();
  const clock = handClock();
  const stopping = new AbortController();
  const done = migrate({ query } as unknown as ClientBase, {
    searchPath: undefined,
    logger,
    clock,
    stopping: stopping.signal,
  });
  return { done, ran, limits, clock, stopping, lines };
}

const noted = (index: number) => {
  const { name, compatibleFrom } = MIGRATIONS[index]!;
  return `insert into footfall_migrations (name, run_on, compatible_from) values ($1, now(), $2) | ${name} | ${compatibleFrom ?? ''}`;
};
const CREATE_LIST =
  'create table if not exists footfall_migrations (id serial primary key, name varchar(255) not null, run_on timestamp not null, compatible_from varchar(255))';
const IN_A_SECOND = "set local lock_timeout = '1s'";

describe('a migration', () => {
  it('makes all tables with their indexes, in one transaction, without the limit of everyday statements', async () => {
    const { done, ran, limits, lines } = migrating({ found: EMPTY });
    await done;
    expect(ran).toEqual([
      'begin',
      IN_A_SECOND,
      CREATE_LIST,
      ...MIGRATIONS.flatMap(({ whole }, index) => [whole, noted(index)]),
      'commit',
    ]);
    expect([...limits]).toEqual([2 ** 31 - 1]);
    expect(lines).toMatchObject([{ msg: 'database migrated', schema: 'public', migrations: NAMES }]);
  });

  it('leaves indexes of tables that hold something for later, and shuts out first who cannot work on what will be', async () => {
    const applied = COMPLETE.applied.slice(0, 2);
    const tables = MIGRATIONS.slice(0, 2).flatMap((one) => one.tables);
    const { done, ran } = migrating({ found: { applied, tables, indexes: [] } });
    await done;
    expect(ran).toEqual([
      'begin',
      IN_A_SECOND,
      CREATE_LIST,
      'lock table positions in exclusive mode',
      'update positions set epoch = epoch + 1',
      ...MIGRATIONS.slice(2).flatMap(({ text }, index) => [text, noted(index + 2)]),
      'commit',
    ]);
  });

  it('waits for who counts, where there are counts', async () => {
    const applied = COMPLETE.applied.slice(0, 3);
    const tables = MIGRATIONS.slice(0, 3).flatMap((one) => one.tables);
    const { done, ran } = migrating({ found: { applied, tables, indexes: [] } });
    await done;
    expect(ran).toContain('lock table counted_up_to,positions in exclusive mode');
  });

  it('shuts nobody out who can work on what will be', async () => {
    const [first, ...others] = COMPLETE.applied.slice(0, -1);
    const applied = [{ ...first!, compatibleFrom: NAMES.at(-1)! }, ...others];
    const tables = MIGRATIONS.slice(0, -1).flatMap((one) => one.tables);
    const { done, ran } = migrating({ found: { applied, tables, indexes: [] } });
    await done;
    expect(ran.filter((text) => text.startsWith('lock table'))).toEqual([]);
    expect(ran.at(-2)).toBe(noted(NAMES.length - 1));
  });

  it('says that the tables were gone, and forgets what was run before', async () => {
    const { done, ran, lines } = migrating({ found: { tables: [] } });
    await done;
    expect(ran.slice(0, 5)).toEqual([
      'begin',
      IN_A_SECOND,
      CREATE_LIST,
      'delete from footfall_migrations',
      MIGRATIONS[0]!.whole,
    ]);
    expect(lines).toMatchObject([
      { msg: 'the tables were gone, and are made again', schema: 'public' },
      { msg: 'database migrated', schema: 'public' },
    ]);
  });

  it('moves the list that an earlier version left in public, and says nothing where that is all', async () => {
    const found = { schema: 'a "b"', hasBookkeeping: false, isSplit: true };
    const { done, ran, lines } = migrating({ found });
    await done;
    expect(ran).toEqual([
      'begin',
      IN_A_SECOND,
      'alter table public.footfall_migrations set schema "a ""b"""',
      CREATE_LIST,
      'commit',
    ]);
    expect(lines).toEqual([]);
  });

  it('gives the list of an earlier version the column that it lacks', async () => {
    const { done, ran } = migrating({ found: EMPTY, hasCompatibleFrom: false });
    await done;
    expect(ran[3]).toBe('alter table footfall_migrations add column compatible_from varchar(255)');
  });

  it('changes nothing where another instance has done it', async () => {
    const { done, ran, lines } = migrating({ found: {} });
    await done;
    expect([ran, lines]).toEqual([['begin', 'rollback'], []]);
  });

  it('waits for another instance that is at it, in no statement', async () => {
    const { done, ran, clock } = migrating({ found: {}, others: [true] });
    await expect.poll(() => clock.sleeps).toEqual([100]);
    expect(ran).toEqual(['begin', 'rollback']);
    clock.advance(100);
    await done;
    expect(ran).toEqual(['begin', 'rollback', 'begin', 'rollback']);
  });

  it('gives way after ten looks at another instance', async () => {
    const { done, ran, clock } = migrating({ found: {}, others: Array(MOST_LOOKS + 1).fill(true) });
    const failed = expect(done).rejects.toThrow(BeingMigratedError);
    for (let looks = 1; looks < MOST_LOOKS; looks++) {
      await expect.poll(() => clock.sleeps).toHaveLength(looks);
      clock.advance(100);
    }
    await failed;
    expect(ran).toEqual(Array(MOST_LOOKS).fill(['begin', 'rollback']).flat());
  });

  it('does not wait for another instance where the service stops', async () => {
    const { done, ran, clock, stopping } = migrating({ found: {}, others: [true, true, true] });
    await expect.poll(() => clock.sleeps).toEqual([100]);
    stopping.abort();
    await expect(done).rejects.toThrow(BeingMigratedError);
    expect(ran).toEqual(['begin', 'rollback', 'begin', 'rollback']);
    expect(clock.sleeps).toEqual([100]);
  });
});
