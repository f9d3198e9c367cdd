import type { ClientBase } from 'pg';
import { describe, expect, it } from 'vitest';
import { StoreUnavailableError } from '../../../../src/store/event-store.ts';
import { MIGRATIONS } from '../../../../src/store/postgres/migration-files.ts';
import {
  inspect,
  isSplitFrom,
  quoted,
  refuseNewer,
  unbuiltIndexes,
} from '../../../../src/store/postgres/standing.ts';
import { COMPLETE, type Found, standingClient } from '../../../support/scripted-standing.ts';

const NAMES = MIGRATIONS.map(({ name }) => name);
const NEWER = { name: '9999_later', compatibleFrom: NAMES.at(-1)!, bars: false };
const SHUTS_OUT = { name: '9998_other', compatibleFrom: null, bars: true };
const EMPTY = { tables: [], hasBookkeeping: false, applied: [] };

const inspected = (found: Partial<Found>, searchPath?: string) =>
  inspect(standingClient(() => found).client, searchPath);
const refusal = (found: Partial<Found>, searchPath?: string) =>
  inspected(found, searchPath).then(
    () => 'none',
    (error: Error) => {
      expect(error).toBeInstanceOf(StoreUnavailableError);
      return error.message;
    },
  );

describe('what is there of Footfall', () => {
  it('is all of it where every migration was run and every index is valid', async () => {
    expect(await inspected({})).toMatchObject({
      schema: 'public',
      applied: COMPLETE.applied,
      pending: [],
      newer: [],
      unbuilt: [],
      isComplete: true,
      isEmptied: false,
    });
  });

  it('is nothing in an empty schema, whose list of migrations is not asked for', async () => {
    const { client, asked } = standingClient(() => EMPTY);
    expect(await inspect(client, undefined)).toMatchObject({
      applied: [],
      pending: NAMES,
      unbuilt: [],
      isComplete: false,
      isEmptied: false,
    });
    expect(asked).toHaveLength(1);
  });

  it('lacks the migrations that were not run, and no index while it does', async () => {
    const [first, ...others] = COMPLETE.applied;
    const tables = MIGRATIONS[0]!.tables;
    expect(await inspected({ applied: [first!], tables, indexes: [] })).toMatchObject({
      pending: others.map(({ name }) => name),
      unbuilt: [],
      isComplete: false,
      isEmptied: false,
    });
  });

  it('lacks indexes that are missing or not valid', async () => {
    const [first, second, ...others] = COMPLETE.indexes;
    const { unbuilt, isComplete } = await inspected({
      indexes: [{ name: first!.name, isValid: false }, ...others],
    });
    expect(unbuilt.map(({ name, isInvalid }) => ({ name, isInvalid }))).toEqual([
      { name: first!.name, isInvalid: true },
      { name: second!.name, isInvalid: false },
    ]);
    expect(isComplete).toBe(true);
    expect(await unbuiltIndexes(standingClient().client)).toEqual([]);
  });

  it('lacks no index that a newer release may have dropped, nor a table', async () => {
    const applied = [...COMPLETE.applied, NEWER];
    expect(
      await inspected({ applied, indexes: [], tables: COMPLETE.tables.filter((name) => name !== 'events') }),
    ).toMatchObject({ pending: [], newer: [NEWER.name], unbuilt: [], isComplete: true });
  });

  it('is all gone where only the list of migrations is left: all are to be run again', async () => {
    expect(await inspected({ tables: [] })).toMatchObject({
      pending: NAMES,
      isComplete: false,
      isEmptied: true,
    });
  });

  it('is complete but for the place of the list where an earlier version left that in public', async () => {
    const split = { schema: 'one', searchPath: 'one', hasBookkeeping: false, isSplit: true };
    const { client, asked } = standingClient(() => split);
    expect(await inspect(client, undefined)).toMatchObject({ pending: [], isComplete: false });
    expect(asked[1]).toContain('from public.footfall_migrations');
    const { client: own, asked: askedOfOwn } = standingClient();
    await inspect(own, undefined);
    expect(askedOfOwn[1]).toContain('from footfall_migrations');
  });

  it.each([
    [{}, true],
    [{ hasBookkeeping: true }, false],
    [{ isSplit: false }, false],
    [{ tables: [] }, false],
  ])(
    'has its list elsewhere only if that is there, it has tables and no list of its own: %o',
    (found, is) => {
      expect(isSplitFrom({ ...COMPLETE, hasBookkeeping: false, isSplit: true, ...found })).toBe(is);
    },
  );
});

it.each([
  ['one,two', 'one, two'],
  ['"Two, too"', '"Two, too"'],
  [' "one" ,"two"', 'one, two'],
])('a search path is the one that was asked for, however it is written: %s', async (asked, searchPath) => {
  expect(await refusal({ searchPath }, asked)).toBe('none');
});

describe('a database is refused', () => {
  it('that is a replica', async () => {
    expect(await refusal({ isReplica: true })).toMatch(/^the database is a replica/);
  });

  it.each([
    [
      'one',
      'public',
      'the search_path of DATABASE_URL does not reach the database, which has public: a pooler in between drops it. Give it to the role instead: ALTER ROLE "somebody" SET search_path = one',
    ],
    ['one,two', 'one', expect.stringContaining('which has one:')],
    ['onetwo', 'one, two', expect.stringContaining('which has one, two:')],
  ])('whose search path is not the one that was asked for: %s', async (asked, searchPath, message) => {
    expect(await refusal({ searchPath }, asked)).toEqual(message);
  });

  it('whose search path leads nowhere', async () => {
    expect(await refusal({ schema: null, searchPath: 'none' })).toBe(
      'the search_path none leads to no schema that is there and that somebody may use: create one (CREATE SCHEMA … AUTHORIZATION "somebody"), or name another',
    );
  });

  it('that has another Footfall behind the one that is meant', async () => {
    expect(await refusal({ schema: 'a b', searchPath: '"a b", public', others: ['public', 'more'] })).toBe(
      'the search_path "a b", public leads to schema a b, and behind it is another Footfall, in schema public: name the one that is meant alone, as in DATABASE_URL=…?options=-c%20search_path%3Da%20b',
    );
  });

  it.each([
    ['that it bars', { applied: [...COMPLETE.applied, NEWER, SHUTS_OUT] }, SHUTS_OUT.name],
    ['beside migrations that are to be run', { applied: [...COMPLETE.applied.slice(1), NEWER] }, NEWER.name],
    ['whose tables are gone', { applied: [...COMPLETE.applied, NEWER], tables: [] }, NEWER.name],
  ])('of a newer release %s', async (_, found, name) => {
    expect(await refusal(found)).toBe(
      `The database is of a newer Footfall: it has migration ${name}, beside which this version cannot work. Start the version that made it, or restore a backup from before it`,
    );
  });

  it('that has a table of somebody else', async () => {
    expect(await refusal({ ...EMPTY, tables: ['events'] })).toBe(
      'schema public has a table events that no migration of Footfall made there: give Footfall a schema of its own',
    );
  });

  it('that lacks some tables, and has others', async () => {
    const tables = COMPLETE.tables.filter((name) => !['events', 'positions'].includes(name));
    const message = await refusal({ tables });
    expect(message).toMatch(/^in schema public the tables events, positions are gone, and /);
    expect(message).toContain(`, and ${tables.join(', ')} are there: restore them from a backup`);
  });
});

describe('a short look', () => {
  const finding = (rows: { name: string }[]) => ({ query: async () => ({ rows }) }) as unknown as ClientBase;

  it('finds nothing where no newer release has shut this one out', async () => {
    await refuseNewer(finding([]));
  });

  it('fails where one has', async () => {
    await expect(refuseNewer(finding([{ name: '9999_later' }]))).rejects.toThrow(
      'it has migration 9999_later,',
    );
  });
});

it('a name in SQL is whole, whatever is in it', () => {
  expect(quoted('a "b" c')).toBe('"a ""b"" c"');
});
