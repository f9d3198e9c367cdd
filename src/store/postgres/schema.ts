// In: a database. Out: Footfall's tables in the schema of its connections, or a sentence that says why not.
import type { ClientBase } from 'pg';
import { StoreUnavailableError } from '../event-store.ts';
import { isLockTimeout } from './errors.ts';
import { type MigrationOptions, migrate, WAS_NOT_FREE } from './migrate.ts';
import { inspect, quoted, refuseNewer, type Standing } from './standing.ts';
import { LOCK_AS_WRITER, WRITERS } from './writer-locks.ts';

/** The lowest version that the tests were run on. */
const LOWEST_VERSION = 13;
/** Databases that speak PostgreSQL's protocol, but give out sequences or show locks in another way. */
const OTHER_DATABASES =
  /CockroachDB|-YB-|Yugabyte|Redshift|Greenplum|Materialize|CrateDB|QuestDB|RisingWave/i;

/** Encodings that hold all of UTF-8. With any other, an event with a foreign character would block all after it. */
const WHOLE_ENCODINGS = ['UTF8', 'SQL_ASCII'];

const INSUFFICIENT_PRIVILEGE = '42501';

export interface SchemaOptions extends MigrationOptions {
  /** Whether tables are created and changed; otherwise somebody else does that. */
  migrates: boolean;
  /** Whether this is a look, which leaves them as they are. */
  onlyLooks?: boolean;
  /** Thrown instead of migrating: for some time after others were in its way, it stays out of theirs. */
  failedLately?: Error | undefined;
  /** Says what need not be said again. */
  warnOnce(text: string): void;
}

/** What everyone who uses the tables has to know. */
export type Prepared = Pick<Standing, 'schema' | 'unbuilt'>;

/** How tables become fit for use, and stay so. */
export interface SchemaKeeper {
  /** @throws StoreUnavailableError for what a person has to do first; the errors of PostgreSQL */
  prepare(client: ClientBase, options: SchemaOptions): Promise<Prepared>;
  /** Asked every second while they are used. @throws StoreUnavailableError if they are no longer for this release */
  lookBriefly(client: ClientBase): Promise<void>;
}

/**
 * Creates or updates the tables, if it may. Any number of instances may call this at once: one works, the others
 * wait for a second, and fail then.
 *
 * @param client any connection as statements will have it
 * @returns what is there then
 * @throws StoreUnavailableError for what a person has to do first; the errors of PostgreSQL
 */
export async function prepareSchema(client: ClientBase, options: SchemaOptions): Promise<Prepared> {
  await refuseOtherDatabases(client);
  const standing = await complete(client, await inspect(client, options.searchPath), options);
  const { schema, statementTimeout, role, newer } = standing;
  await checkLocks(client, schema);
  if (statementTimeout === '0') {
    options.warnOnce(
      `Nothing limits how long PostgreSQL works on a statement, since a pooler in between keeps Footfall from saying so. Say it to the role: ALTER ROLE ${quoted(role)} SET statement_timeout = '25s'`,
    );
  }
  if (newer.length > 0) {
    options.warnOnce(
      `The database is of a newer Footfall, which says that this version works beside it: ${newer.join(', ')}`,
    );
  }
  return standing;
}

export const KEEPER: SchemaKeeper = { prepare: prepareSchema, lookBriefly: refuseNewer };

async function complete(client: ClientBase, standing: Standing, options: SchemaOptions): Promise<Standing> {
  if (standing.isComplete) return standing;
  refuseToMigrate(standing, options);
  if (options.failedLately !== undefined) throw options.failedLately;
  const { schema, role } = standing;
  await migrate(client, options).catch((error) => {
    throw withAdvice(error, schema, role);
  });
  return inspect(client, options.searchPath);
}

/** @throws StoreUnavailableError if somebody else has to create or change the tables */
export function refuseToMigrate(
  standing: Pick<Standing, 'schema' | 'pending' | 'applied' | 'isEmptied'>,
  { migrates, onlyLooks = false }: Pick<SchemaOptions, 'migrates' | 'onlyLooks'>,
): void {
  const { schema, pending } = standing;
  if (onlyLooks) throw new StoreUnavailableError(describeLack(standing));
  if (migrates) return;
  // Where an earlier version kept the list apart from the tables, there may be nothing to run.
  const lack =
    pending.length > 0
      ? `schema ${schema} lacks the migrations ${pending.join(', ')}, and DATABASE_MIGRATE=off keeps Footfall from running them`
      : `the migrations of schema ${schema} are listed in schema public, and DATABASE_MIGRATE=off keeps Footfall from moving the list`;
  throw new StoreUnavailableError(
    `${lack}: run "footfall migrate" as the owner of the tables; events that wait are then stored`,
  );
}

function describeLack({
  schema,
  pending,
  applied,
  isEmptied,
}: Pick<Standing, 'schema' | 'pending' | 'applied' | 'isEmptied'>): string {
  const state =
    applied.length === 0 || isEmptied
      ? `schema ${schema} has no tables of Footfall`
      : `the tables in schema ${schema} are of an earlier version (they lack ${pending.join(', ') || 'their list of migrations'})`;
  return `${state}, and a command that only looks leaves them so: run "footfall migrate", or start the service`;
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

export function withAdvice(error: Error & { code?: string }, schema: string, role: string): Error {
  if (isLockTimeout(error)) return new StoreUnavailableError(WAS_NOT_FREE, { cause: error });
  if (error.code !== INSUFFICIENT_PRIVILEGE) return error;
  return new StoreUnavailableError(
    `${error.message}: Footfall makes or changes its tables in schema ${schema}. Give ${role} the right to (GRANT CREATE ON SCHEMA ${quoted(schema)} TO ${quoted(role)}), or run "footfall migrate" as a user that has it`,
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
