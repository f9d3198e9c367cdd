import { createHash } from 'node:crypto';
import pg, { type ClientBase, type Pool, type PoolClient, type QueryResult } from 'pg';
import type { Histogram } from 'prom-client';
import { type Clock, systemClock } from '../../clock.ts';
import { type PostgresConnection, readPostgresUrl, requestedSearchPath } from '../../config/postgres-url.ts';
import type { Examination } from '../../log/examination.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Meter } from '../../observability/meter.ts';
import { registerPool } from '../../observability/store-metrics.ts';
import { StoreUnavailableError } from '../event-store.ts';
import {
  connectError,
  isLimitRefused,
  isLostStatement,
  isParameterRefused,
  isSchemaGone,
  statementError,
  wasInTheWay,
} from './errors.ts';
import { examine } from './examination.ts';
import { BUILDER } from './index-builds.ts';
import { describeLock, tryStoring } from './probe.ts';
import { KEEPER } from './schema.ts';
import type { Inspection } from './schema-inspection.ts';
import { Tables } from './tables.ts';

/** A batch takes milliseconds; a server silent for this long is not going to answer. */
const QUERY_TIMEOUT_MS = 30_000;
/** The server's own timeout is shorter, so that it stops working on what nobody waits for. */
const STATEMENT_TIMEOUT_MS = QUERY_TIMEOUT_MS - 5000;
/** Of the role and the server, for index builds, which may take hours. */
const NO_LIMITS = '-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0';

/** A connection that holds a lock through a build says nothing for hours: what is in between must not think it is dead. */
const KEEP_ALIVE_AFTER_MS = 60_000;

const BEGIN_READING = 'begin isolation level read committed read only';

export interface DatabaseOptions {
  url: string;
  poolSize: number;
  /** The longest that a connection is waited for; default: what the address says. */
  connectMs?: number;
  /** Whether tables and indexes are created and changed where they are not as they should be; default: true. */
  migrates?: boolean | undefined;
  /** Whether this is a look, which never creates or changes tables, whatever `migrates` says; default: false. */
  onlyLooks?: boolean | undefined;
  /** Default: nothing is measured. */
  meter?: Meter | undefined;
  clock?: Clock;
}

/**
 * A database connection pool that migrates before first use, and again when tables are gone. Connects on first use, not
 * on construction. Every method throws StoreUnavailableError when the database is currently unavailable.
 */
export class Database {
  readonly #pool: Pool;
  readonly #connection: PostgresConnection;
  readonly #logger: Logger;
  readonly #tables: Tables;
  readonly #waitSeconds: Histogram | undefined;
  /** Broken connections: errors of statements on them are not the statement's fault. */
  readonly #lost = new WeakSet<ClientBase>();
  /** False once a pooler has lost a prepared statement. */
  #keepsStatements = true;
  #closing: Promise<void> | undefined;

  /** @param keeper default: creates and updates the tables */
  constructor(
    {
      url,
      poolSize,
      meter,
      connectMs,
      migrates = true,
      onlyLooks = false,
      clock = systemClock,
    }: DatabaseOptions,
    logger: Logger,
    keeper = KEEPER,
  ) {
    const connection = readPostgresUrl(url);
    this.#connection =
      connectMs === undefined ? connection : { ...connection, connectionTimeoutMillis: connectMs };
    this.#logger = logger;
    this.#tables = new Tables({
      withConnection: (work) => this.#withConnection(work),
      connectApart: () => this.#connectApart(),
      searchPath: requestedSearchPath(this.#connection),
      keeper,
      migrates,
      onlyLooks,
      logger,
      clock,
    });
    this.#pool = createPool(this.#connection, poolSize, logger);
    this.#waitSeconds = meter && registerPool(meter, this.#pool);
    // Attached at once: a connection that breaks while it is handed out, before its taker listens, would end the process.
    this.#pool.on('connect', (client) => client.on('error', () => this.#lost.add(client)));
  }

  async query<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    return (await this.#run((client) => client.query<Row>(text, values))).rows;
  }

  /**
   * As `query`, for a statement that each connection parses and plans only once: `name` must always have the same text.
   */
  async prepared<Row extends object>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    if (!this.#keepsStatements) return this.query(text, values);
    try {
      const statement = { name: uniqueName(name, text), text, values };
      return (await this.#run((client) => client.query<Row>(statement))).rows;
    } catch (error) {
      if (!isLostStatement(error)) throw error;
      // Nothing of it was executed.
      if (this.#keepsStatements) {
        this.#logger.info(
          'A pooler gives each transaction another connection to PostgreSQL: going on without prepared statements, which costs time',
        );
      }
      this.#keepsStatements = false;
      return this.query(text, values);
    }
  }

  /**
   * Runs `work` in a transaction that only reads, each statement of which sees what is visible when it begins.
   *
   * @param beginsWithinMs how long a server that does not answer is waited for
   */
  reading<T>(work: (client: ClientBase) => Promise<T>, beginsWithinMs: number): Promise<T> {
    return this.#run(async (client) => {
      await client.query(Object.assign({ query_timeout: beginsWithinMs }, { text: BEGIN_READING }));
      const result = await work(client);
      await client.query('commit');
      return result;
    });
  }

  /** Runs `work` in a transaction, each statement of which sees what is visible when it begins. */
  writing<T>(work: (client: ClientBase) => Promise<T>): Promise<T> {
    return this.#run(async (client) => {
      await client.query('begin');
      const result = await work(client);
      await client.query('commit');
      return result;
    });
  }

  /** Runs statements in one round trip, each with its own snapshot. @returns the rows of each */
  async sequence(statements: readonly string[]): Promise<object[][]> {
    const results = await this.#run((client) => client.query(statements.join(';')));
    return (results as unknown as QueryResult<object>[]).map(({ rows }) => rows);
  }

  /** Resolves if events can be stored, or could be once the tables are created. Changes nothing. */
  async inspect(timeoutMs: number): Promise<Inspection> {
    const inspection = await this.#tables.inspect();
    if (inspection.isComplete) await this.probe(timeoutMs);
    return inspection;
  }

  /** Looks at the tables again, which another release may have changed, and sees to it that indexes are built. */
  lookAgain(): Promise<void> {
    return this.#tables.lookAgain();
  }

  /** Creates or changes tables and indexes, whatever the settings say. Resolves when all are there. */
  migrate(): Promise<void> {
    return this.#tables.migrate();
  }

  /** Asks the server about itself. Makes no tables. */
  examine(): Promise<Examination> {
    return this.#withConnection(examine);
  }

  /** Resolves if events can currently be stored. */
  async probe(timeoutMs: number): Promise<void> {
    const limits = { lockTimeoutMs: Math.ceil(timeoutMs / 4), timeoutMs };
    const { schema } = await this.#tables.prepared();
    try {
      await this.#withConnection(async (client) => {
        await this.#tables.stillFit(client);
        await tryStoring(client, schema, limits);
      });
    } catch (error) {
      if (!wasInTheWay(error)) throw error;
      const why = await this.#withConnection((client) => describeLock(client, schema));
      throw why === undefined ? error : new StoreUnavailableError(why, { cause: error });
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#tables.close();
    await this.#pool.end();
  }

  async #run<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    await this.#tables.prepared();
    return this.#withConnection(async (client) => {
      await this.#tables.stillFit(client);
      return work(client);
    });
  }

  /** Not from the pool, where others wait for a connection; without limits of time, unless a pooler takes no settings. */
  async #connectApart(): Promise<pg.Client> {
    const connection = this.#connection;
    const unlimited = { ...connection, options: `${connection.options ?? ''} ${NO_LIMITS}` };
    try {
      return await connectAlone(unlimited).catch((error) => {
        if (!isParameterRefused(error)) throw error;
        return connectAlone(connection);
      });
    } catch (error) {
      throw connectError(error);
    }
  }

  async #withConnection<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const stopTimer = this.#waitSeconds?.startTimer();
    const client = await this.#connect().finally(stopTimer);
    try {
      const result = await work(client);
      client.release();
      return result;
    } catch (error) {
      // Its state is unknown.
      client.release(true);
      if (isSchemaGone(error)) this.#tables.forget();
      throw statementError(error, this.#lost.has(client));
    }
  }

  async #connect(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      if (!isLimitRefused(error)) throw connectError(error);
      // PgBouncer accepts a few parameters and rejects all others. A limit set later would apply to whichever client
      // gets the server connection next.
      this.#pool.options.statement_timeout = undefined;
      return this.#pool.connect().catch((again) => {
        throw connectError(again);
      });
    }
  }
}

function createPool(connection: PostgresConnection, poolSize: number, logger: Logger): Pool {
  const pool = new pg.Pool({
    application_name: 'footfall',
    ...given(connection),
    max: poolSize,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
  });
  // An idle connection that breaks is replaced at the next query; without a listener, this event would end the process.
  pool.on('error', (error) => logger.debug({ err: error }, 'idle PostgreSQL connection lost'));
  return pool;
}

async function connectAlone(connection: PostgresConnection): Promise<pg.Client> {
  const client = new pg.Client({
    ...given(connection),
    application_name: BUILDER,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
  });
  // One that breaks fails its next statement; without a listener, this event would end the process.
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Drops undefined members, which the driver would take as given. */
function given(connection: PostgresConnection): pg.ClientConfig {
  return Object.fromEntries(Object.entries(connection).filter(([, value]) => value !== undefined));
}

/** Behind a pooler, another version of this program may have prepared a different text under the same name. */
function uniqueName(name: string, text: string): string {
  return `${name}_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}
