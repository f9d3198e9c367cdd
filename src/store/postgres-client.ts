import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import pg, { type Pool } from 'pg';
import type { Logger } from '../logger.ts';

const MIGRATIONS_DIR = join(import.meta.dirname, 'migrations');
const MIGRATIONS_TABLE = 'footfall_migrations';
const CONNECT_TIMEOUT_MS = 5000;
/** A batch takes milliseconds; a server silent for so long is not going to answer. */
const QUERY_TIMEOUT_MS = 30_000;

export function createPool({ url, poolSize }: { url: string; poolSize: number }, logger: Logger): Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    // The server gives up first, so that it does not work on for nobody.
    statement_timeout: QUERY_TIMEOUT_MS - 5000,
    query_timeout: QUERY_TIMEOUT_MS,
    application_name: 'footfall',
    keepAlive: true,
  });
  // An idle connection that breaks is replaced at the next query; unheard, this event would end the process.
  pool.on('error', (error) => logger.debug({ err: error }, 'idle PostgreSQL connection lost'));
  return pool;
}

/** Creates or updates the tables. Any number of instances may call this at once: one works, the others wait. */
export async function migrate(pool: Pool, url: string, logger: Logger): Promise<void> {
  if (await isUpToDate(pool)) return;
  const { runner } = await import('node-pg-migrate');
  const applied = await runner({
    databaseUrl: { connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS },
    dir: MIGRATIONS_DIR,
    direction: 'up',
    migrationsTable: MIGRATIONS_TABLE,
    advisoryLockMode: 'wait',
    checkOrder: true,
    log: () => {},
  });
  if (applied.length > 0) logger.info({ migrations: applied.map(({ name }) => name) }, 'database migrated');
}

/** @throws when the database was migrated by a newer Footfall, whose tables this one does not know */
async function isUpToDate(pool: Pool): Promise<boolean> {
  const known = readdirSync(MIGRATIONS_DIR).map((file) => basename(file, '.sql'));
  const table = await pool.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [
    MIGRATIONS_TABLE,
  ]);
  if (!table.rows[0]!.exists) return false;
  const { rows } = await pool.query<{ name: string }>(`select name from ${MIGRATIONS_TABLE}`);
  const newer = rows.find(({ name }) => !known.includes(name));
  if (newer)
    throw new Error(`The database is of a newer Footfall: it has migration ${newer.name}, unknown here.`);
  return rows.length === known.length;
}
