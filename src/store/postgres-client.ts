import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import pg, { type Pool, type QueryResult } from 'pg';
import type { Logger } from '../logger.ts';

const MIGRATIONS_DIR = join(import.meta.dirname, 'migrations');
const MIGRATIONS_TABLE = 'footfall_migrations';
const CONNECT_TIMEOUT_MS = 5000;
/** A batch takes milliseconds; a server silent for so long is not going to answer. */
const QUERY_TIMEOUT_MS = 30_000;

/** A database that is migrated before it is first used. Connects when used, not when made. */
export class Database {
  readonly #pool: Pool;
  readonly #url: string;
  readonly #logger: Logger;
  #migrated: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: { url: string; poolSize: number }, logger: Logger) {
    this.#url = options.url;
    this.#logger = logger;
    this.#pool = createPool(options, logger);
  }

  async query<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    await this.#ready();
    return (await this.#pool.query<Row>(text, values)).rows;
  }

  /** As `query`, of a statement that each connection parses and plans only once: under `name`, always the same text. */
  async prepared<Row extends object>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    await this.#ready();
    return (await this.#pool.query<Row>({ name, text, values })).rows;
  }

  /** Statements in one round trip, each seeing what was there when it began. @returns the rows of each */
  async sequence(statements: readonly string[]): Promise<object[][]> {
    await this.#ready();
    const results = (await this.#pool.query(statements.join(';'))) as unknown as QueryResult<object>[];
    return results.map(({ rows }) => rows);
  }

  async probe(timeoutMs: number): Promise<void> {
    await this.#ready();
    // The driver's own limit, too: else a frozen server would keep one connection of the pool for each probe.
    await this.#pool.query({ text: 'select 1', query_timeout: timeoutMs } as { text: string });
  }

  close(): Promise<void> {
    this.#closing ??= this.#pool.end();
    return this.#closing;
  }

  /** Migrates once; tried again at the next need after a failure. */
  #ready(): Promise<void> {
    this.#migrated ??= migrate(this.#pool, this.#url, this.#logger).catch((error) => {
      this.#migrated = undefined;
      throw error;
    });
    return this.#migrated;
  }
}

function createPool({ url, poolSize }: { url: string; poolSize: number }, logger: Logger): Pool {
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
async function migrate(pool: Pool, url: string, logger: Logger): Promise<void> {
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
