// In: a database. Out: what is there of Footfall, and what is missing, or a sentence that says why it cannot be used.
import type { ClientBase } from 'pg';
import { StoreUnavailableError } from '../event-store.ts';
import { type Index, MIGRATIONS, made } from './migration-files.ts';
import { IS_REPLICA } from './writer-locks.ts';

export const MIGRATIONS_TABLE = 'footfall_migrations';
const TABLES = MIGRATIONS.flatMap(({ tables }) => tables);
const NEWEST = MIGRATIONS.at(-1)!.name;
const NAMES = MIGRATIONS.map(({ name }) => name);

/**
 * Of a row `m` of the migrations table: it is of a newer release, beside which this one cannot work. As JSON, because an
 * earlier version has made the table without the column.
 */
const BARS = `m.name <> all ('{${NAMES.join()}}')
  and coalesce((to_jsonb(m) ->> 'compatible_from') collate "C" > '${NEWEST}', true)`;
/** The migration that shuts this release out; no row: none does. */
export const BARRING = `select m.name from ${MIGRATIONS_TABLE} m where ${BARS} order by m.id limit 1`;

class ShutOutError extends StoreUnavailableError {
  constructor(migration: string) {
    super(
      `The database is of a newer Footfall: it has migration ${migration}, beside which this version cannot work. Start the version that made it, or restore a backup from before it`,
    );
  }
}

/** The schema that the connection leads to, and what is in it. */
interface DatabaseState {
  schema: string | null;
  searchPath: string;
  role: string;
  isReplica: boolean;
  /** Such as `25s`; `0`: no limit. */
  statementTimeout: string;
  /** Tables of the schema that have the name of one of Footfall's. */
  tables: string[];
  hasBookkeeping: boolean;
  /** Other schemas of the search path that have all tables of a Footfall. */
  others: string[];
  /** Whether the migrations table of an earlier version is in `public`, without the other tables. */
  isSplit: boolean;
}

/** A row of the migrations table. */
export interface Applied {
  name: string;
  /** As in `Migration`; null if it was run before there was this column. */
  compatibleFrom: string | null;
}

interface Listed extends Applied {
  /** It shuts this release out. */
  bars: boolean;
}

export interface UnbuiltIndex extends Index {
  /** It is there and not valid: it is being built, or was until something ended that. */
  isInvalid: boolean;
}

/** What is there, and what remains to be done. */
export interface Standing extends Omit<DatabaseState, 'schema'> {
  schema: string;
  applied: readonly Applied[];
  /** Names of migrations that are still to be run. */
  pending: readonly string[];
  /** Names of migrations of a newer release, beside which this one works on. */
  newer: readonly string[];
  /** Indexes that are missing or not valid; those of a newer release are for that to build. */
  unbuilt: readonly UnbuiltIndex[];
  isComplete: boolean;
  /** All tables are gone, but the migrations table is not. */
  isEmptied: boolean;
}

const GROUND = `
with own as (
  select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname = any($1::text[] || '${MIGRATIONS_TABLE}'::text)
)
select current_schema() as schema, current_setting('search_path') as "searchPath", current_user as role,
  pg_is_in_recovery() as "isReplica", current_setting('statement_timeout') as "statementTimeout",
  array(select name::text from own where schema = current_schema() and name = any($1) order by name) as tables,
  exists (select from own where schema = current_schema() and name = '${MIGRATIONS_TABLE}') as "hasBookkeeping",
  array(select schema::text from own where schema = any(current_schemas(false)) and schema <> current_schema()
    and name in ('${MIGRATIONS_TABLE}', 'positions') group by schema having count(*) = 2) as others,
  exists (select from own where schema = 'public' and name = '${MIGRATIONS_TABLE}')
    and not exists (select from own where schema = 'public' and name = any($1)) as "isSplit"`;

/** @param searchPath what the address asks for. @throws StoreUnavailableError */
export async function inspect(client: ClientBase, searchPath: string | undefined): Promise<Standing> {
  const { rows } = await client.query<DatabaseState>(GROUND, [TABLES]);
  const { schema, ...state } = rows[0]!;
  if (state.isReplica) throw new StoreUnavailableError(IS_REPLICA);
  if (searchPath !== undefined && listed(searchPath) !== listed(state.searchPath)) {
    throw new StoreUnavailableError(
      `the search_path of DATABASE_URL does not reach the database, which has ${state.searchPath}: a pooler in between drops it. Give it to the role instead: ALTER ROLE ${quoted(state.role)} SET search_path = ${searchPath}`,
    );
  }
  if (schema === null) {
    throw new StoreUnavailableError(
      `the search_path ${state.searchPath} leads to no schema that is there and that ${state.role} may use: create one (CREATE SCHEMA … AUTHORIZATION ${quoted(state.role)}), or name another`,
    );
  }
  if (state.others.length > 0) {
    throw new StoreUnavailableError(
      `the search_path ${state.searchPath} leads to schema ${schema}, and behind it is another Footfall, in schema ${state.others[0]}: name the one that is meant alone, as in DATABASE_URL=…?options=-c%20search_path%3D${encodeURIComponent(schema)}`,
    );
  }
  const applied = await appliedMigrations(client, state);
  const compared = compare(schema, state, applied);
  const unbuilt = compared.isComplete && compared.newer.length === 0 ? await unbuiltIndexes(client) : [];
  return { ...state, schema, applied, ...compared, unbuilt };
}

/** Migrations of the schema, or of `public`, where an earlier version kept them beside tables in another schema. */
async function appliedMigrations(
  client: ClientBase,
  state: Omit<DatabaseState, 'schema'>,
): Promise<Listed[]> {
  const isAdopted = isSplitFrom(state);
  if (!state.hasBookkeeping && !isAdopted) return [];
  const { rows } = await client.query<Listed>(
    `select name, to_jsonb(m) ->> 'compatible_from' as "compatibleFrom", ${BARS} as bars
     from ${isAdopted ? 'public.' : ''}${MIGRATIONS_TABLE} m order by id`,
  );
  return rows;
}

/** Costs little. @throws StoreUnavailableError if a migration shuts this release out that was not there when it looked */
export async function refuseNewer(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string }>(BARRING);
  if (rows[0] !== undefined) throw new ShutOutError(rows[0].name);
}

export function isSplitFrom({ hasBookkeeping, isSplit, tables }: Omit<DatabaseState, 'schema'>): boolean {
  return !hasBookkeeping && isSplit && tables.length > 0;
}

type Comparison = Pick<Standing, 'pending' | 'newer' | 'isComplete' | 'isEmptied'>;

/** @throws StoreUnavailableError if a person has to decide what becomes of what is there */
function compare(
  schema: string,
  state: Omit<DatabaseState, 'schema'>,
  applied: readonly Listed[],
): Comparison {
  const names = applied.map(({ name }) => name);
  const known = MIGRATIONS.filter(({ name }) => names.includes(name));
  const pending = MIGRATIONS.filter(({ name }) => !names.includes(name)).map(({ name }) => name);
  const newer = applied.filter(({ name }) => MIGRATIONS.every((one) => one.name !== name));
  const expected = made(known).tables;
  const missing = expected.filter((name) => !state.tables.includes(name));
  const isEmptied = missing.length > 0 && state.tables.length === 0;
  // What it does not know whole, it does not complete.
  const refused = newer.find(({ bars }) => bars) ?? (pending.length > 0 || isEmptied ? newer[0] : undefined);
  if (refused !== undefined) throw new ShutOutError(refused.name);
  const wanted = MIGRATIONS.filter(({ name }) => pending.includes(name)).flatMap(({ tables }) => tables);
  const foreign = state.tables.filter((name) => wanted.includes(name) && !expected.includes(name));
  if (foreign.length > 0) {
    throw new StoreUnavailableError(
      `schema ${schema} has a table ${foreign[0]} that no migration of Footfall made there: give Footfall a schema of its own`,
    );
  }
  // Positions without their events would claim that these are stored: a person has to decide what to keep.
  // A newer release may have dropped what this one no longer uses.
  if (missing.length > 0 && !isEmptied && newer.length === 0) {
    throw new StoreUnavailableError(
      `in schema ${schema} the tables ${missing.join(', ')} are gone, and ${state.tables.join(', ')} are there: restore them from a backup, or drop these, too, so that Footfall makes all of them and reads the topic from its start`,
    );
  }
  return {
    pending: isEmptied ? MIGRATIONS.map(({ name }) => name) : pending,
    newer: newer.map(({ name }) => name),
    isComplete: !isEmptied && pending.length === 0 && !isSplitFrom(state),
    isEmptied,
  };
}

const BUILT = `
select c.relname as name, i.indisvalid as "isValid"
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = current_schema()`;

/** Of the indexes that are built outside a transaction, those that are missing or not valid. */
export async function unbuiltIndexes(client: ClientBase): Promise<UnbuiltIndex[]> {
  const { rows } = await client.query<{ name: string; isValid: boolean }>(BUILT);
  const isValid = new Map(rows.map((row) => [row.name, row.isValid]));
  return made(MIGRATIONS)
    .indexes.filter(({ name }) => isValid.get(name) !== true)
    .map((index) => ({ ...index, isInvalid: isValid.has(index.name) }));
}

/** The schemas of a search path, quoted or not. */
function listed(searchPath: string): string {
  return searchPath
    .split(',')
    .map((name) => name.trim().replace(/^"(.*)"$/, '$1'))
    .join(',');
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
