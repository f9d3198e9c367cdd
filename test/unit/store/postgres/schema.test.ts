import type { ClientBase } from 'pg';
import { describe, expect, it } from 'vitest';
import { StoreUnavailableError } from '../../../../src/store/event-store.ts';
import { MIGRATIONS } from '../../../../src/store/postgres/migration-files.ts';
import {
  checkLocks,
  prepareSchema,
  refuseOtherDatabases,
  refuseToMigrate,
  type SchemaOptions,
  withAdvice,
} from '../../../../src/store/postgres/schema.ts';
import { handClock } from '../../../support/hand-clock.ts';
import { silentLogger } from '../../../support/logger.ts';
import { COMPLETE, type Found, standingClient } from '../../../support/scripted-standing.ts';

const NAMES = MIGRATIONS.map(({ name }) => name);
const SERVER = {
  version: 'PostgreSQL 16.4 on x86_64-pc-linux-gnu, compiled by gcc',
  number: '160004',
  encoding: 'UTF8',
};
interface Locks {
  locks: string[] | null;
  cache: number;
}

/** A database as it is found, on a server. */
function databaseOf(found: Partial<Found> = {}, server = {}, locks: Partial<Locks> = {}): ClientBase {
  const { client } = standingClient(() => found);
  const query = async (text: string) => {
    if (text.includes('select version()')) return { rows: [{ ...SERVER, ...server }] };
    if (text.includes('pg_advisory_xact_lock_shared')) {
      const { locks: held, cache } = { locks: ['1'], cache: 1, ...locks };
      return [{ rows: [{}] }, { rows: [{ locks: held }] }, { rows: [{ cache }] }];
    }
    return client.query(text);
  };
  return { query } as unknown as ClientBase;
}

async function refusal(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'none';
  } catch (error) {
    expect(error).toBeInstanceOf(StoreUnavailableError);
    return (error as Error).message;
  }
}

describe('preparing tables', () => {
  function prepare(client: ClientBase, given: Partial<SchemaOptions> = {}) {
    const warnings: string[] = [];
    const options: SchemaOptions = {
      searchPath: undefined,
      migrates: true,
      logger: silentLogger,
      clock: handClock(),
      stopping: new AbortController().signal,
      warnOnce: (text) => warnings.push(text),
      ...given,
    };
    return { prepared: prepareSchema(client, options), warnings };
  }

  it('says nothing where all is as it should be', async () => {
    const { prepared, warnings } = prepare(databaseOf());
    expect(await prepared).toMatchObject({ schema: 'public', unbuilt: [] });
    expect(warnings).toEqual([]);
  });

  it('says that nothing limits statements', async () => {
    const { prepared, warnings } = prepare(databaseOf({ statementTimeout: '0' }));
    await prepared;
    expect(warnings).toEqual([
      `Nothing limits how long PostgreSQL works on a statement, since a pooler in between keeps Footfall from saying so. Say it to the role: ALTER ROLE "somebody" SET statement_timeout = '25s'`,
    ]);
  });

  it('says that a newer release has been there', async () => {
    const newer = ['9998_a', '9999_b'].map((name) => ({ name, compatibleFrom: NAMES[0]!, bars: false }));
    const { prepared, warnings } = prepare(databaseOf({ applied: [...COMPLETE.applied, ...newer] }));
    await prepared;
    expect(warnings).toEqual([
      'The database is of a newer Footfall, which says that this version works beside it: 9998_a, 9999_b',
    ]);
  });

  it('fails with what a migration failed with lately, unless they are complete', async () => {
    const failedLately = new Error('locked');
    const lacking = databaseOf({ tables: [], hasBookkeeping: false, applied: [] });
    await expect(prepare(lacking, { failedLately }).prepared).rejects.toBe(failedLately);
    expect(await prepare(databaseOf(), { failedLately }).prepared).toMatchObject({ schema: 'public' });
    expect(await refusal(() => prepare(lacking, { failedLately, migrates: false }).prepared)).toContain(
      'DATABASE_MIGRATE=off',
    );
  });

  it('refuses other databases, and those that readers cannot rely on', async () => {
    const other = databaseOf({}, { version: 'CockroachDB CCL v24' });
    expect(await refusal(() => prepare(other).prepared)).toContain('is not PostgreSQL');
    const blind = databaseOf({}, {}, { locks: null });
    expect(await refusal(() => prepare(blind).prepared)).toContain('does not show advisory locks');
  });
});

describe('tables are left as they are', () => {
  const lacking = { schema: 'one', pending: ['0007_a', '0008_b'], applied: [], isEmptied: false };
  const [applied] = COMPLETE.applied;

  it('by nobody who may change them', () => {
    expect(() => refuseToMigrate(lacking, { migrates: true })).not.toThrow();
    expect(() => refuseToMigrate(lacking, { migrates: true, onlyLooks: false })).not.toThrow();
  });

  it.each([
    [
      lacking,
      'schema one lacks the migrations 0007_a, 0008_b, and DATABASE_MIGRATE=off keeps Footfall from running them: run "footfall migrate" as the owner of the tables; events that wait are then stored',
    ],
    [
      { ...lacking, pending: [] },
      'the migrations of schema one are listed in schema public, and DATABASE_MIGRATE=off keeps Footfall from moving the list: run "footfall migrate" as the owner of the tables; events that wait are then stored',
    ],
  ])('where the settings say so: %o', async (standing, message) => {
    expect(await refusal(() => refuseToMigrate(standing, { migrates: false }))).toBe(message);
  });

  it.each([
    [lacking, 'schema one has no tables of Footfall'],
    [{ ...lacking, applied: [applied!], isEmptied: true }, 'schema one has no tables of Footfall'],
    [
      { ...lacking, applied: [applied!] },
      'the tables in schema one are of an earlier version (they lack 0007_a, 0008_b)',
    ],
    [
      { ...lacking, applied: [applied!], pending: [] },
      'the tables in schema one are of an earlier version (they lack their list of migrations)',
    ],
  ])('by a look, whatever the settings say: %o', async (standing, state) => {
    for (const migrates of [true, false]) {
      expect(await refusal(() => refuseToMigrate(standing, { migrates, onlyLooks: true }))).toBe(
        `${state}, and a command that only looks leaves them so: run "footfall migrate", or start the service`,
      );
    }
  });
});

describe('a database is used only if it', () => {
  it.each([
    [{}, 'none'],
    [{ number: '130000' }, 'none'],
    [{ number: '190001' }, 'none'],
    [{ encoding: 'SQL_ASCII' }, 'none'],
    [
      { version: 'PostgreSQL 12.22 on x86_64-pc-linux-gnu', number: '129999' },
      'PostgreSQL 12.22 is too old: Footfall needs PostgreSQL 13 or later',
    ],
    [{ encoding: 'LATIN1' }, expect.stringContaining('has the encoding LATIN1, which lacks most characters')],
    [
      { version: 'PostgreSQL 15.2-YB-2.25.1.0-b0 on x86_64-pc-linux-gnu, compiled by clang' },
      'this database is not PostgreSQL (PostgreSQL 15.2-YB-2.25.1.0-b0 on x86_64-pc-linux-gnu): readers would pass over events in it, so Footfall does not use it',
    ],
  ])('is a PostgreSQL that is new enough and holds all characters: %o', async (server, message) => {
    expect(await refusal(() => refuseOtherDatabases(databaseOf({}, server)))).toEqual(message);
  });

  it.each([
    [{}, 'none'],
    [{ locks: [] }, 'none'],
    [{ locks: null }, expect.stringContaining('does not show advisory locks in pg_locks')],
    [{ cache: 20 }, expect.stringContaining('ALTER SEQUENCE "a ""b""".events_seq_seq CACHE 1')],
  ])('shows who writes, and gives out numbers in their order: %o', async (locks, message) => {
    expect(await refusal(() => checkLocks(databaseOf({}, {}, locks), 'a "b"'))).toEqual(message);
  });
});

describe('a migration that failed', () => {
  const failed = (code?: string) => Object.assign(new Error('why'), code === undefined ? {} : { code });

  it('says whom to ask for the right', () => {
    const error = failed('42501');
    const advised = withAdvice(error, 'one', 'me');
    expect(advised).toBeInstanceOf(StoreUnavailableError);
    expect(advised.cause).toBe(error);
    expect(advised.message).toBe(
      'why: Footfall makes or changes its tables in schema one. Give me the right to (GRANT CREATE ON SCHEMA "one" TO "me"), or run "footfall migrate" as a user that has it',
    );
  });

  it('says that a table was not free, and whom to look for', () => {
    const error = failed('55P03');
    const advised = withAdvice(error, 'one', 'me');
    expect(advised).toBeInstanceOf(StoreUnavailableError);
    expect(advised.cause).toBe(error);
    expect(advised.message).toContain('a table was not free within 1 s');
  });

  it('says what PostgreSQL says otherwise', () => {
    for (const error of [failed(), failed('42601')]) expect(withAdvice(error, 'one', 'me')).toBe(error);
  });
});
