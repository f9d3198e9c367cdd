// In: a statement that reads. Out: the answer that the primary would give, from its replica whenever that has caught up.
import type { ClientBase } from 'pg';
import type { Counter } from 'prom-client';
import { backOffMs, type Clock } from '../../clock.ts';
import type { Logger } from '../../observability/logger.ts';
import { registerReads } from '../../observability/store-metrics.ts';
import { StoreUnavailableError } from '../event-store.ts';
import { Database, type DatabaseOptions } from './client.ts';

/** Runs statements that only read. Each sees everything that was stored before the call. */
export interface Reader {
  query<Row extends object>(text: string, values: unknown[]): Promise<Row[]>;
}

/** The longest that a read waits for the replica: its answer to a question, and what it has yet to replay. */
const CATCH_UP_MS = 500;
const ASK_AGAIN_MS = 2;
const FIRST_PAUSE_MS = 250;

/**
 * A replica that follows another timeline than the primary may have other events at the same place of the log. It shows a
 * new timeline once it has replayed a checkpoint of it.
 */
const IDENTITY = `(select system_identifier::text from pg_control_system()) as server,
  current_database()::text as database, current_schema()::text as schema`;
const OF_PRIMARY = `select lsn::text, ('x' || left(pg_walfile_name(lsn), 8))::bit(32)::integer as timeline, ${IDENTITY}
from (select case when not pg_is_in_recovery() then pg_current_wal_insert_lsn() end as lsn) as written`;
const OF_REPLICA = `select pg_is_in_recovery() as "isReplica", pg_last_wal_replay_lsn() >= $1::pg_lsn as "hasReplayed",
  (select timeline_id from pg_control_checkpoint()) as timeline, ${IDENTITY}`;

interface Identity {
  server: string;
  timeline: number;
  database: string;
  /** Null if the search path leads nowhere. */
  schema: string | null;
}

interface PrimaryState extends Identity {
  /** Where its write-ahead log ends; null if it is a replica itself. */
  lsn: string | null;
}

interface ReplicaState extends Identity {
  isReplica: boolean;
  /** Null if it has never replayed anything. */
  hasReplayed: boolean | null;
}

/** Not a fault: it happens whenever the primary writes faster than the replica replays. */
class ReplicaBehindError extends Error {}

interface ReplicaOptions extends DatabaseOptions {
  primary: Database;
  clock: Clock;
  logger: Logger;
}

/**
 * Reads from a replica what the primary had when the call came: it asks the primary where its write-ahead log ends, and
 * the replica whether it has replayed up to there. If the replica cannot say so in time, the primary answers.
 */
export class ReplicaReader implements Reader {
  readonly #options: ReplicaOptions;
  readonly #replica: Database;
  readonly #reads: Counter<'from'> | undefined;
  /** Reads in a row that the replica could not answer. */
  #failures = 0;
  /** Why the replica cannot answer, as it was said last. */
  #said: string | undefined;
  /** By the monotonic clock: until then the replica is left alone. */
  #pauseEndsAt = 0;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { url, poolSize, meter, logger } = options;
    // Its tables come from the primary.
    this.#replica = new Database({ url, poolSize }, logger, async () => ({ schema: '', unbuilt: [] }));
    this.#reads = meter && registerReads(meter);
  }

  close(): Promise<void> {
    return this.#replica.close();
  }

  /** @throws StoreUnavailableError if the address does not lead to a replica of the primary */
  async inspect(): Promise<void> {
    try {
      await this.#queryReplica(await this.#askPrimary(), 'select', []);
    } catch (error) {
      if (error instanceof ReplicaBehindError) return;
      throw new StoreUnavailableError(`DATABASE_READ_URL: ${(error as Error).message}`, { cause: error });
    }
  }

  async query<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    const { primary, clock } = this.#options;
    if (clock.now() >= this.#pauseEndsAt) {
      const wanted = await this.#askPrimary();
      try {
        const rows = await this.#queryReplica<Row>(wanted, text, values);
        this.#resume();
        this.#reads?.inc({ from: 'replica' });
        return rows;
      } catch (error) {
        this.#pause(error as Error);
      }
    }
    this.#reads?.inc({ from: 'primary' });
    return primary.query(text, values);
  }

  async #askPrimary(): Promise<PrimaryState> {
    const [state] = await this.#options.primary.query<PrimaryState>(OF_PRIMARY, []);
    return state!;
  }

  #queryReplica<Row extends object>(wanted: PrimaryState, text: string, values: unknown[]): Promise<Row[]> {
    return this.#replica.reading(async (client) => {
      await this.#caughtUp(client, wanted);
      // A statement of its own: its snapshot is taken after the replica has answered.
      return (await client.query<Row>(text, values)).rows;
    }, CATCH_UP_MS);
  }

  async #caughtUp(client: ClientBase, wanted: PrimaryState): Promise<void> {
    const { clock } = this.#options;
    const question = Object.assign(
      { query_timeout: CATCH_UP_MS },
      { text: OF_REPLICA, values: [wanted.lsn] },
    );
    const giveUpAt = clock.now() + CATCH_UP_MS;
    for (;;) {
      const { rows } = await client.query<ReplicaState>(question);
      const misfit = describeMisfit(wanted, rows[0]!);
      if (misfit !== undefined) throw new Error(misfit);
      if (rows[0]!.hasReplayed) return;
      if (clock.now() > giveUpAt) throw new ReplicaBehindError(`it is more than ${CATCH_UP_MS} ms behind`);
      await clock.sleep(ASK_AGAIN_MS);
    }
  }

  #pause(error: Error): void {
    const { clock, logger } = this.#options;
    this.#pauseEndsAt = clock.now() + backOffMs(FIRST_PAUSE_MS, this.#failures, clock);
    this.#failures++;
    if (error instanceof ReplicaBehindError || error.message === this.#said) return;
    this.#said = error.message;
    logger.warn(`Reads go to the primary, since DATABASE_READ_URL cannot answer them: ${error.message}`);
  }

  #resume(): void {
    this.#failures = 0;
    if (this.#said === undefined) return;
    this.#said = undefined;
    this.#options.logger.info('Reads go to DATABASE_READ_URL again');
  }
}

/** @returns why the replica must not be read; undefined if it may be */
function describeMisfit(wanted: PrimaryState, found: ReplicaState): string | undefined {
  if (wanted.lsn === null) return 'DATABASE_URL leads to a replica, too';
  if (found.server !== wanted.server) return 'it leads to another server, which is no replica of the primary';
  if (!found.isReplica) return 'it does not lead to a replica';
  if (found.database !== wanted.database)
    return `it leads to database ${found.database}, not ${wanted.database}`;
  if (found.schema !== wanted.schema)
    return `its search_path leads to schema ${found.schema}, not ${wanted.schema}`;
  if (found.timeline !== wanted.timeline) {
    return `it follows timeline ${found.timeline}, and the primary is on ${wanted.timeline}: after a failover it takes until the replica's next checkpoint, or the replica has to be rebuilt`;
  }
  return undefined;
}
