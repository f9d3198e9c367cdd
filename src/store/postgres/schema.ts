// In: a database. Out: Footfall's tables in the schema of its connections, or a sentence that says why not.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ClientBase, QueryConfig } from 'pg';
import type { Logger } from '../../observability/logger.ts';
import { StoreUnavailableError } from '../event-store.ts';
import { IS_REPLICA, LOCK_AS_WRITER, WRITERS } from './writer-locks.ts';

const MIGRATIONS_DIR = join(import.meta.dirname, 'migrations');
const MIGRATIONS_TABLE = 'footfall_migrations';
/** The lowest version that the tests were run on. */
const LOWEST_VERSION = 13;
/** Databases that speak PostgreSQL's protocol, but give out sequences or show locks in another way. */
const OTHER_DATABASES =
  /CockroachDB|-YB-|Yugabyte|Redshift|Greenplum|Materialize|CrateDB|QuestDB|RisingWave/i;

/** Encodings that hold all of UTF-8. With any other, an event with a foreign character would block all after it. */
const WHOLE_ENCODINGS = ['UTF8', 'SQL_ASCII'];

/** The longest that a timer can be set to. */
const LONGEST_MS = 2 ** 31 - 1;
const INSUFFICIENT_PRIVILEGE = '42501';

/** A migration that has been applied, and what it created. */
interface Migration {
  name: string;
  tables: string[];
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

/** What remains to be done until all tables exist. */
export interface Standing extends Omit<DatabaseState, 'schema'> {
  schema: string;
  isComplete: boolean;
  /** All tables are gone, but the migrations table is not. */
  isEmptied: boolean;
}

export interface SchemaOptions {
  /** What the address asks for. */
  searchPath: string | undefined;
  logger: Logger;
}

/**
 * Creates or updates the tables. Any number of instances may call this at once: one works, the others wait.
 *
 * @param client any connection as statements will have it
 * @returns the schema of the tables
 * @throws StoreUnavailableError for what a person has to do first; the errors of PostgreSQL
 */
export async function prepareSchema(client: ClientBase, options: SchemaOptions): Promise<string> {
  await refuseOtherDatabases(client);
  const { isComplete, schema, statementTimeout, role } = await inspect(client, options);
  if (!isComplete) {
    await migrate(withoutLimit(client), options).catch((error) => {
      throw withAdvice(error, schema, role);
    });
  }
  await checkLocks(client, schema);
  if (statementTimeout === '0') {
    options.logger.warn(
      `Nothing limits how long PostgreSQL works on a statement, since a pooler in between keeps Footfall from saying so. Say it to the role: ALTER ROLE ${quoted(role)} SET statement_timeout = '25s'`,
    );
  }
  return schema;
}

export async function refuseOtherDatabases(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ version: string; number: string; encoding: string }>(
    "select version(), current_setting('server_version_num') as number, current_setting('server_encoding') as encoding",
  );
  const { version, number, encoding } = rows[0]!;
  if (OTHER_DATABASES.test(version)) {
    throw new StoreUnavailableError(
      `this database is not PostgreSQL (${version.split(',', 1)[0]}): readers would pass over events in it, so Footfall does not use it`,
    );
  }
  if (Math.floor(Number(number) / 10_000) < LOWEST_VERSION) {
    throw new StoreUnavailableError(
      `${version.split(' on ', 1)[0]} is too old: Footfall needs PostgreSQL ${LOWEST_VERSION} or later`,
    );
  }
  if (!WHOLE_ENCODINGS.includes(encoding)) {
    throw new StoreUnavailableError(
      `this database has the encoding ${encoding}, which lacks most characters: make one with ENCODING 'UTF8' TEMPLATE template0`,
    );
  }
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

export async function inspect(client: ClientBase, { searchPath }: SchemaOptions): Promise<Standing> {
  const known = migrations();
  const { rows } = await client.query<DatabaseState>(GROUND, [known.flatMap(({ tables }) => tables)]);
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
  return { ...state, schema, ...compare(schema, state, applied, known) };
}

/** Migrations of the schema, or of `public`, where an earlier version kept them beside tables in another schema. */
async function appliedMigrations(
  client: ClientBase,
  state: Omit<DatabaseState, 'schema'>,
): Promise<string[]> {
  const isAdopted = isSplitFrom(state);
  if (!state.hasBookkeeping && !isAdopted) return [];
  const { rows } = await client.query<{ name: string }>(
    `select name from ${isAdopted ? 'public.' : ''}${MIGRATIONS_TABLE}`,
  );
  return rows.map(({ name }) => name);
}

function isSplitFrom({ hasBookkeeping, isSplit, tables }: Omit<DatabaseState, 'schema'>): boolean {
  return !hasBookkeeping && isSplit && tables.length > 0;
}

/** @throws StoreUnavailableError if some tables are missing: neither as the migrations left them nor all gone */
function compare(
  schema: string,
  state: Omit<DatabaseState, 'schema'>,
  applied: readonly string[],
  known: readonly Migration[],
): Pick<Standing, 'isComplete' | 'isEmptied'> {
  const newer = applied.find((name) => known.every((one) => one.name !== name));
  if (newer !== undefined) {
    throw new StoreUnavailableError(
      `The database is of a newer Footfall: it has migration ${newer}, unknown here.`,
    );
  }
  const expected = known.filter(({ name }) => applied.includes(name)).flatMap(({ tables }) => tables);
  const missing = expected.filter((name) => !state.tables.includes(name));
  const foreign = state.tables.filter((name) => !expected.includes(name));
  if (foreign.length > 0) {
    throw new StoreUnavailableError(
      `schema ${schema} has a table ${foreign[0]} that no migration of Footfall made there: give Footfall a schema of its own`,
    );
  }
  // Positions without their events would claim that these are stored: a person has to decide what to keep.
  if (missing.length > 0 && state.tables.length > 0) {
    throw new StoreUnavailableError(
      `in schema ${schema} the tables ${missing.join(', ')} are gone, and ${state.tables.join(', ')} are there: restore them from a backup, or drop these, too, so that Footfall makes all of them and reads the topic from its start`,
    );
  }
  const isComplete = missing.length === 0 && applied.length === known.length && !isSplitFrom(state);
  return { isComplete, isEmptied: missing.length > 0 };
}

/** Building an index may take long: the driver's timeout is meant for everyday statements. */
function withoutLimit(client: ClientBase): ClientBase {
  const query = (statement: string | QueryConfig, values?: unknown[]) => {
    const config = typeof statement === 'string' ? { text: statement, values: values ?? [] } : statement;
    return client.query(Object.assign({ query_timeout: LONGEST_MS }, config));
  };
  return Object.assign(Object.create(client), { query }) as ClientBase;
}

async function migrate(client: ClientBase, options: SchemaOptions): Promise<void> {
  const { runner } = await import('node-pg-migrate');
  // One transaction, and a lock that ends with it: through a pooler, statements outside a transaction may each use
  // another connection. If we die here: nothing has changed, and another instance takes over.
  await client.query(`begin; set local statement_timeout = 0;
    select pg_advisory_xact_lock(hashtextextended('footfall migrations in ' || current_schema(), 0))`);
  const standing = await inspect(client, options);
  if (standing.isComplete) {
    await client.query('rollback');
    return;
  }
  const { schema } = standing;
  if (isSplitFrom(standing)) {
    await client.query(`alter table public.${MIGRATIONS_TABLE} set schema ${quoted(schema)}`);
  }
  if (standing.isEmptied) await client.query(`delete from ${MIGRATIONS_TABLE}`);
  const table = `${quoted(schema)}.${MIGRATIONS_TABLE}`;
  // The library would create it too, but its error is a stack as text.
  await client.query(
    `create table if not exists ${table} (id serial primary key, name varchar(255) not null, run_on timestamp not null)`,
  );
  const applied = await runner({
    dbClient: client,
    dir: MIGRATIONS_DIR,
    direction: 'up',
    migrationsSchema: schema,
    migrationsTable: MIGRATIONS_TABLE,
    noLock: true,
    singleTransaction: true,
    checkOrder: true,
    log: () => {},
  });
  await client.query('commit');
  const names = applied.map(({ name }) => name);
  if (standing.isEmptied) options.logger.warn({ schema }, 'the tables were gone, and are made again');
  if (names.length > 0) options.logger.info({ schema, migrations: names }, 'database migrated');
}

export function withAdvice(error: Error & { code?: string }, schema: string, role: string): Error {
  if (error.code !== INSUFFICIENT_PRIVILEGE) return error;
  return new StoreUnavailableError(
    `${error.message}: Footfall makes or changes its tables in schema ${schema}. Give ${role} the right to (GRANT CREATE ON SCHEMA ${quoted(schema)} TO ${quoted(role)}), or start Footfall once as a user that has it`,
    { cause: error },
  );
}

/** Readers rely on the locks of writers and on the order of the sequence. @throws StoreUnavailableError if they cannot */
export async function checkLocks(client: ClientBase, schema: string): Promise<void> {
  const results = await client.query(
    [
      `select ${LOCK_AS_WRITER}`,
      WRITERS,
      "select seqcache::integer as cache from pg_sequence where seqrelid = 'events_seq_seq'::regclass",
    ].join(';'),
  );
  const [, writers, sequence] = results as unknown as [
    unknown,
    { rows: [{ locks: string[] | null }] },
    { rows: [{ cache: number }] },
  ];
  if (writers.rows[0].locks === null) {
    throw new StoreUnavailableError(
      'this database does not show advisory locks in pg_locks: readers would pass over events in it, so Footfall does not use it',
    );
  }
  if (sequence.rows[0].cache !== 1) {
    throw new StoreUnavailableError(
      `connections get their numbers from the sequence events_seq_seq in chunks, so that readers would pass over events: ALTER SEQUENCE ${quoted(schema)}.events_seq_seq CACHE 1`,
    );
  }
}

function migrations(): Migration[] {
  return readdirSync(MIGRATIONS_DIR)
    .sort()
    .map((file) => {
      const text = readFileSync(join(MIGRATIONS_DIR, file), 'utf8');
      const tables = [...text.matchAll(/^create table (?:if not exists )?(\w+)/gm)].map((found) => found[1]!);
      return { name: basename(file, '.sql'), tables };
    });
}

/** The schemas of a search path, quoted or not. */
function listed(searchPath: string): string {
  return searchPath
    .split(',')
    .map((name) => name.trim().replace(/^"(.*)"$/, '$1'))
    .join(',');
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
