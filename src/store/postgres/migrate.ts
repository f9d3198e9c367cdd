// In: tables of any earlier version, or none. Out: those of this one; indexes of tables that hold something come later.
import type { ClientBase, QueryResult } from 'pg';
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../observability/logger.ts';
import { StoreUnavailableError } from '../event-store.ts';
import { MIGRATIONS } from './migration-files.ts';
import { type Applied, inspect, isSplitFrom, MIGRATIONS_TABLE, quoted, type Standing } from './standing.ts';

/** Who waits to lock a table makes all others wait behind it, also those that store. */
const LONGEST_WAIT_S = 1;
/** How often whoever finds another instance at work looks again, and how many times. Most are done by then. */
const LOOK_EVERY_MS = 100;
const LOOKS = 10;
/** The longest that a timer can be set to. */
const LONGEST_MS = 2 ** 31 - 1;

export interface MigrationOptions {
  /** What the address asks for. */
  searchPath: string | undefined;
  logger: Logger;
  clock: Clock;
  /** Ends the wait for another instance. */
  stopping: AbortSignal;
}

/** The next use looks again. */
export class BeingMigratedError extends StoreUnavailableError {
  constructor() {
    super('another instance is changing the tables: trying again until it is done');
  }
}

const HAS_COMPATIBLE_FROM = `
select from pg_attribute where attrelid = '${MIGRATIONS_TABLE}'::regclass and attname = 'compatible_from' and not attisdropped`;

type Run = (text: string, values?: unknown[]) => Promise<QueryResult>;

/**
 * Runs the migrations that are missing, all of them or none. Any number of instances may call this at once: one works.
 *
 * @param client as statements will have it
 * @throws BeingMigratedError if another instance is at it, and not done within a second
 */
export async function migrate(
  client: ClientBase,
  { searchPath, logger, clock, stopping }: MigrationOptions,
): Promise<void> {
  const run = withoutLimit(client);
  for (let looks = 1; !(await isBegun(run)); looks++) {
    // Nobody waits in the statement: it could not be stopped, and those that fail would fail one after the other.
    await run('rollback');
    if (looks === LOOKS || stopping.aborted) throw new BeingMigratedError();
    await clock.sleep(LOOK_EVERY_MS, stopping);
  }
  const standing = await inspect(client, searchPath);
  if (standing.isComplete) {
    await run('rollback');
    return;
  }
  await run(`set local lock_timeout = '${LONGEST_WAIT_S}s'`);
  const { schema, isEmptied } = standing;
  const applied = isEmptied ? [] : standing.applied;
  await prepareBookkeeping(run, standing);
  const pending = MIGRATIONS.filter(({ name }) => standing.pending.includes(name));
  if (excludesOthers(applied, pending)) await shutOthersOut(run, standing);
  for (const { name, text, whole, compatibleFrom } of pending) {
    await run(applied.length === 0 ? whole : text);
    await run(`insert into ${MIGRATIONS_TABLE} (name, run_on, compatible_from) values ($1, now(), $2)`, [
      name,
      compatibleFrom,
    ]);
  }
  await run('commit');
  if (isEmptied) logger.warn({ schema }, 'the tables were gone, and are made again');
  if (pending.length > 0) logger.info({ schema, migrations: standing.pending }, 'database migrated');
}

/** Begins the transaction, unless another instance is at work. */
async function isBegun(run: Run): Promise<boolean> {
  // One transaction, and a lock that ends with it: through a pooler, statements outside a transaction may each use
  // another connection. If we die here: nothing has changed, and another instance takes over.
  const results = await run(`begin; set local statement_timeout = 0;
    select pg_try_advisory_xact_lock(hashtextextended('footfall migrations in ' || current_schema(), 0)) as "isOurs"`);
  const [, , lock] = results as unknown as [unknown, unknown, QueryResult<{ isOurs: boolean }>];
  return lock.rows[0]!.isOurs;
}

/**
 * Whoever runs now has to claim again, and finds out whether it can go on. Before anything else that storing locks: its
 * statement locks positions first, and then waits for them with nothing in its hands that a migration could ask for.
 * What a claim inserts meanwhile would not be reached: so claims wait, too, and look at the list of migrations after that.
 * So does who counts, whose statement locks `counted_up_to` before other tables, and reads the list in it. A count may take
 * its time, and comes first here: storing goes on while it is waited for.
 */
async function shutOthersOut(run: Run, { tables }: Standing): Promise<void> {
  const written = ['counted_up_to', 'positions'].filter((name) => tables.includes(name));
  await run(`lock table ${written.join()} in exclusive mode`);
  await run('update positions set epoch = epoch + 1');
}

async function prepareBookkeeping(run: Run, standing: Standing): Promise<void> {
  if (isSplitFrom(standing)) {
    await run(`alter table public.${MIGRATIONS_TABLE} set schema ${quoted(standing.schema)}`);
  }
  await run(
    `create table if not exists ${MIGRATIONS_TABLE} (id serial primary key, name varchar(255) not null, run_on timestamp not null, compatible_from varchar(255))`,
  );
  // Only an earlier version has made it without: to change it would keep those from reading it who look every second.
  const { rowCount } = await run(HAS_COMPATIBLE_FROM);
  if (rowCount === 0) await run(`alter table ${MIGRATIONS_TABLE} add column compatible_from varchar(255)`);
  if (standing.isEmptied) await run(`delete from ${MIGRATIONS_TABLE}`);
}

/**
 * Whether a release that can work on what is there cannot work on what will be. Who that is among those that run, nobody
 * knows.
 */
function excludesOthers(applied: readonly Applied[], pending: readonly Applied[]): boolean {
  const oldest = (migrations: readonly Applied[]) =>
    migrations.reduce((latest, { name, compatibleFrom }) => {
      const from = compatibleFrom ?? name;
      return from > latest ? from : latest;
    }, '');
  return applied.length > 0 && oldest(pending) > oldest(applied);
}

/** What is said where a table stayed locked. */
export const WAS_NOT_FREE = `a table was not free within ${LONGEST_WAIT_S} s, and a migration waits no longer, so that events do not: nothing has changed. Look in pg_stat_activity for who uses it, such as a build of an index, and try again; the service does so within a minute`;

/** Changing a large table may take long: the driver's timeout is meant for everyday statements. */
function withoutLimit(client: ClientBase): Run {
  return (text, values = []) => client.query(Object.assign({ query_timeout: LONGEST_MS }, { text, values }));
}
