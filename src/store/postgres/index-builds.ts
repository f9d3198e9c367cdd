// In: a database whose tables are complete. Out: its indexes are there and valid; events are stored all the while.
import type { ClientBase } from 'pg';
import { systemClock } from '../../clock.ts';
import type { Logger } from '../../observability/logger.ts';
import { lacksRight } from './errors.ts';
import { inspect, quoted, type UnbuiltIndex } from './standing.ts';

/** Between two looks at what somebody else does. */
const LOOK_EVERY_MS = 1000;
/** Failures may come late in a build that reads all there is: so each pause is several times the one before. */
const FIRST_PAUSE_MS = 1000;
const MOST_PAUSE_MS = 10 * 60_000;

/** Of both connections, one of which is idle in a transaction for hours: for whoever looks for such. */
export const BUILDER = 'footfall index builder';

type OwnConnection = ClientBase & { end(): Promise<void> };

interface IndexName {
  index: string;
  table: string;
}

/** As a logger. */
type SaysOfIndex = Record<'info' | 'warn', (of: IndexName, text: string) => void>;

export interface BuildOptions {
  /** Opens a connection without limits of time, apart from those that others wait for. The caller of it ends it. */
  connect(): Promise<OwnConnection>;
  /** What the address asks for. */
  searchPath: string | undefined;
  logger: Logger;
  /** Ends the work, with an error where it is in a build. PostgreSQL may go on with that. */
  stopping: AbortSignal;
}

type Build = Omit<BuildOptions, 'logger'> & { logger: SaysOfIndex };

const TRY_LOCK = `select pg_try_advisory_xact_lock(hashtextextended('footfall indexes in ' || current_schema(), 0)) as "isOurs"`;

/** Whoever builds an index holds this on its table from begin to end, and lets others write. So do VACUUM and ANALYZE. */
const IS_AT_WORK = `
select exists (select from pg_locks where locktype = 'relation' and granted and mode = 'ShareUpdateExclusiveLock'
  and relation = $1::regclass and database = (select oid from pg_database where datname = current_database())) as "isAtWork"`;

/**
 * Builds the indexes that are missing or not valid, one after the other. Any number of processes may call this at once: one
 * works, the others wait until it is done.
 *
 * @throws the errors of PostgreSQL
 */
export async function buildIndexes(options: Build): Promise<void> {
  while (!options.stopping.aborted && !(await buildOrWait(options)));
}

/** @returns whether there is nothing left to build */
async function buildOrWait(options: Build): Promise<boolean> {
  const { connect, stopping } = options;
  const holder = await connect();
  try {
    while (!stopping.aborted && (await nextIndex(holder, options)) !== undefined) {
      // A transaction for the lock and nothing else: a pooler keeps the connection for as long as it is open. A build waits
      // for everyone who has a snapshot, so nobody waits for the lock in a statement, and whoever has it asks nothing there.
      await holder.query('begin isolation level read committed');
      const { rows } = await holder.query<{ isOurs: boolean }>(TRY_LOCK);
      if (rows[0]!.isOurs) {
        await buildAll(options);
        // All is built, also if this connection, which nothing has used for hours, is lost. Another one looks once more.
        await holder.query('rollback').catch(() => {});
        return false;
      }
      await holder.query('rollback');
      await systemClock.sleep(LOOK_EVERY_MS, stopping);
    }
    return true;
  } finally {
    await holder.end();
  }
}

/**
 * As `buildIndexes`, until it is done or stopped, whatever fails meanwhile.
 *
 * @throws the errors of PostgreSQL if it lacks the right to, and will until a person gives it
 */
export async function keepBuilding(options: BuildOptions): Promise<void> {
  const { logger, stopping } = options;
  const said = sayingOnce(logger);
  for (let failures = 0; !stopping.aborted; failures++) {
    try {
      return await buildIndexes({ ...options, logger: said });
    } catch (error) {
      if (stopping.aborted) return;
      if (lacksRight(error)) throw error;
      const level = failures === 0 ? 'warn' : 'debug';
      logger[level](
        { err: error },
        'An index is not built, and queries that need it are slow. Trying again until it works',
      );
    }
    await systemClock.sleep(Math.min(MOST_PAUSE_MS, FIRST_PAUSE_MS * 4 ** failures), stopping);
  }
}

async function buildAll(options: Build): Promise<void> {
  const { connect, logger, stopping } = options;
  const builder = await connect();
  const stop = () => void builder.end();
  stopping.addEventListener('abort', stop);
  try {
    for (;;) {
      const next = await nextIndex(builder, options);
      if (next === undefined || stopping.aborted) return;
      if (next.isInvalid && (await isAtWork(builder, next))) await systemClock.sleep(LOOK_EVERY_MS, stopping);
      else await build(builder, next, logger);
    }
  } finally {
    stopping.removeEventListener('abort', stop);
    await builder.end();
  }
}

/** None where a newer release has migrated since: what is missing then is for that to say. */
async function nextIndex(client: ClientBase, { searchPath }: Build): Promise<UnbuiltIndex | undefined> {
  return (await inspect(client, searchPath)).unbuilt[0];
}

/** Whether somebody may be building it, such as PostgreSQL for a process that has ended. */
export async function isAtWork(client: ClientBase, { table }: UnbuiltIndex): Promise<boolean> {
  const { rows } = await client.query<{ isAtWork: boolean }>(IS_AT_WORK, [table]);
  return rows[0]!.isAtWork;
}

/** Each text once for each index, however often a build is tried. */
function sayingOnce(logger: BuildOptions['logger']): SaysOfIndex {
  const said = new Set<string>();
  const once = (level: 'info' | 'warn') => (of: IndexName, text: string) => {
    if (!said.has(of.index + text)) logger[level](of, text);
    said.add(of.index + text);
  };
  return { info: once('info'), warn: once('warn') };
}

async function build(client: ClientBase, index: UnbuiltIndex, logger: SaysOfIndex): Promise<void> {
  const { name, table, statement, isInvalid } = index;
  if (isInvalid) {
    logger.warn({ index: name, table }, 'the index is not valid, as after an end in the middle: dropping it');
    await client.query(`drop index concurrently if exists ${quoted(name)}`);
  }
  logger.info({ index: name, table }, 'building an index; events are stored meanwhile');
  // If we die here: PostgreSQL goes on with the index, or leaves one that is not valid. Whoever comes next waits for it, or
  // drops it and builds it again.
  await client.query(statement);
  logger.info({ index: name, table }, 'index built');
}
