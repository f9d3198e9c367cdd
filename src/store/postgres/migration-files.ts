// In: the folder of migrations. Out: what each of them does to tables, and which indexes are built after it.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const FOLDER = join(import.meta.dirname, 'migrations');
const TABLE = /^create table (\w+)/gm;
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
  /** All of it, in a transaction, for tables that are created with it and hold nothing. */
  whole: string;
  /** The newest migration of the oldest release that works on beside this one; null: of those without it, none does. */
  compatibleFrom: string | null;
}

export function parseMigration(name: string, file: string): Migration {
  return {
    name,
    tables: [...file.matchAll(TABLE)].map((found) => found[1]!),
    text: file.replaceAll(INDEX, ''),
    indexes: [...file.matchAll(INDEX)].map(([, create, rest, index, table]) => {
      return { name: index!, table: table!, statement: `${create}concurrently ${rest}` };
    }),
    whole: file.replaceAll(INDEX, '$1$2\n'),
    compatibleFrom: COMPATIBLE.exec(file)?.[1] ?? null,
  };
}

/** All that this release knows, in their order. */
export const MIGRATIONS: readonly Migration[] = readdirSync(FOLDER)
  .sort()
  .map((file) => parseMigration(basename(file, '.sql'), readFileSync(join(FOLDER, file), 'utf8')));
