// In: the folder of migrations. Out: what each of them does to tables, and which indexes are built after it.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const FOLDER = join(import.meta.dirname, 'migrations');
const TABLE = /^create table (\w+)/gm;
/** In the first column, as the others; of an index, with `if exists`, since it may not be built yet. */
const DROP = /^drop (table|index if exists) (\w+)/gm;
/** PostgreSQL builds it outside a transaction only: so whoever writes the word asks for that. */
const INDEX = /^(create (?:unique )?index )concurrently ((\w+)\s+on\s+(\w+)[^;]*;)\n?/gm;
const COMPATIBLE = /^-- Compatible from (\w+)/m;

/** An index that is built while others store. */
export interface Index {
  name: string;
  table: string;
  /** Builds it; not in a transaction. */
  statement: string;
}

export interface Migration {
  name: string;
  /** Tables that it creates. */
  tables: string[];
  /** What it does to tables that hold something, in a transaction; the indexes come after that. */
  text: string;
  indexes: Index[];
  /** Tables of earlier migrations that it drops. */
  droppedTables: string[];
  /** Indexes of earlier migrations that it drops. */
  droppedIndexes: string[];
  /** All of it, in a transaction, for tables that are created with it and hold nothing. */
  whole: string;
  /** The newest migration of the oldest release that works on beside this one; null: of those without it, none does. */
  compatibleFrom: string | null;
}

export function parseMigration(name: string, file: string): Migration {
  const drops = [...file.matchAll(DROP)].map(([, kind, dropped]) => ({ kind, name: dropped! }));
  const droppedOf = (isTable: boolean) =>
    drops.filter(({ kind }) => (kind === 'table') === isTable).map((one) => one.name);
  return {
    name,
    tables: [...file.matchAll(TABLE)].map((found) => found[1]!),
    text: file.replaceAll(INDEX, ''),
    indexes: [...file.matchAll(INDEX)].map(([, create, rest, index, table]) => {
      return { name: index!, table: table!, statement: `${create}concurrently ${rest}` };
    }),
    droppedTables: droppedOf(true),
    droppedIndexes: droppedOf(false),
    whole: file.replaceAll(INDEX, '$1$2\n'),
    compatibleFrom: COMPATIBLE.exec(file)?.[1] ?? null,
  };
}

/** Tables, and indexes that are built outside a transaction, that are there after these migrations, run in this order. */
export function made(migrations: readonly Migration[]): { tables: string[]; indexes: Index[] } {
  return migrations.reduce<{ tables: string[]; indexes: Index[] }>(
    (before, { droppedTables, droppedIndexes, ...own }) => ({
      tables: [...before.tables.filter((name) => !droppedTables.includes(name)), ...own.tables],
      indexes: [
        ...before.indexes.filter(
          ({ name, table }) => !droppedIndexes.includes(name) && !droppedTables.includes(table),
        ),
        ...own.indexes,
      ],
    }),
    { tables: [], indexes: [] },
  );
}

/** All that this release knows, in their order. */
export const MIGRATIONS: readonly Migration[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.sql'))
  .sort()
  .map((file) => parseMigration(basename(file, '.sql'), readFileSync(join(FOLDER, file), 'utf8')));
