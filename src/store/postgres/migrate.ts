// In: tables of any earlier version, or none. Out: those of this one; indexes of tables that hold something come later.
import type { ClientBase, QueryConfig } from 'pg';
import type { Logger } from '../../observability/logger.ts';
import { MIGRATIONS } from './migration-files.ts';
import { type Applied, inspect, isSplitFrom, MIGRATIONS_TABLE, quoted, type Standing } from './standing.ts';

/** Who waits to lock a table makes all others wait behind it, also those that store. */
const LONGEST_WAIT_S = 5;
/** The longest that a timer can be set to. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Runs the migrations that are missing, all of them or none. Any number of instances may call this at once: one works, the
 * others wait.
 *
 * @param connection as statements will have it
 */
export async function migrate(
  connection: ClientBase,
  { searchPath, logger }: { searchPath: string | undefined; logger: Logger },
): Promise<void> {
  const client = withoutLimit(connection);
  // One transaction, and a lock that ends with it: through a pooler, statements outside a transaction may each use
  // another connection. If we die here: nothing has changed, and another instance takes over.
  await client.query(`begin; set local statement_timeout = 0;
    select pg_advisory_xact_lock(hashtextextended('footfall migrations in ' || current_schema(), 0))`);
  const standing = await inspect(client, searchPath);
  if (standing.isComplete) {
    await client.query('rollback');
    return;
  }
  await client.query(`set local lock_timeout = '${LONGEST_WAIT_S}s'`);
  const { schema, isEmptied } = standing;
  const applied = isEmptied ? [] : standing.applied;
  await prepareBookkeeping(client, standing);
  const pending = MIGRATIONS.filter(({ name }) => standing.pending.includes(name));
  if (excludesOthers(applied, pending)) {
    // Whoever runs now has to claim again, and finds out whether it can go on. Before anything else is locked: storing
    // locks positions first.
    await client.query('update positions set epoch = epoch + 1');
  }
  for (const { name, text, whole, compatibleFrom } of pending) {
    await client.query(applied.length === 0 ? whole : text);
    await client.query(
      `insert into ${MIGRATIONS_TABLE} (name, run_on, compatible_from) values ($1, now(), $2)`,
      [name, compatibleFrom],
    );
  }
  await client.query('commit');
  if (isEmptied) logger.warn({ schema }, 'the tables were gone, and are made again');
  if (pending.length > 0) logger.info({ schema, migrations: standing.pending }, 'database migrated');
}

async function prepareBookkeeping(client: ClientBase, standing: Standing): Promise<void> {
  if (isSplitFrom(standing)) {
    await client.query(`alter table public.${MIGRATIONS_TABLE} set schema ${quoted(standing.schema)}`);
  }
  await client.query(`
    create table if not exists ${MIGRATIONS_TABLE} (id serial primary key, name varchar(255) not null, run_on timestamp not null);
    alter table ${MIGRATIONS_TABLE} add column if not exists compatible_from varchar(255)`);
  if (standing.isEmptied) await client.query(`delete from ${MIGRATIONS_TABLE}`);
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
export const WAS_NOT_FREE = `a table was not free within ${LONGEST_WAIT_S} s, and a migration waits no longer, so that events do not: nothing has changed. Look in pg_stat_activity for who uses it, such as a build of an index, and try again; the service does by itself`;

/** Changing a large table may take long: the driver's timeout is meant for everyday statements. */
function withoutLimit(client: ClientBase): ClientBase {
  const query = (statement: string | QueryConfig, values?: unknown[]) => {
    const config = typeof statement === 'string' ? { text: statement, values: values ?? [] } : statement;
    return client.query(Object.assign({ query_timeout: LONGEST_MS }, config));
  };
  return Object.assign(Object.create(client), { query }) as ClientBase;
}
