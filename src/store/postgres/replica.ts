// In: a statement that reads. Out: the answer that the primary would give, from its replica whenever that has caught up.
import type { ClientBase } from 'pg';
import type { Counter } from 'prom-client';
import { backOffMs, type Clock } from '../../clock.ts';
import type { Logger } from '../../observability/logger.ts';
import { registerReads } from '../../observability/store-metrics.ts';
import { StoreUnavailableError } from '../event-store.ts';
import { Database, type DatabaseOptions } from './client.ts';
import { isTooSlow } from './errors.ts';

/** Runs statements that only read. Each sees everything that was stored before the call. */
export interface Reader {
  query<Row extends object>(text: string, values: unknown[]): Promise<Row[]>;
}

/** The longest that a read waits for the replica: for an answer, and for what it has yet to replay. */
const CATCH_UP_MS = 500;
/** The longest that it waits for a connection to the replica, a new one or one that others use. */
const CONNECT_MS = 1000;
/** Before the replica is asked again whether it has caught up; doubles each time. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;
/** How long the replica is left alone when it could not answer; doubles each time. */
const FIRST_REST_MS = 250;

/**
 * A replica that follows another timeline than the primary may have other events at the same place of the log. It shows a
 * new timeline once it has replayed a checkpoint of it.
 */
const IDENTITY = `(select system_identifier::text from pg_control_system()) as server,
  current_database()::text as database, current_schema()::text as schema`;
/**
 * What is visible is on disk, unless commits do not wait for that: then it ends where the next record would begin. That place
 * may be behind the header of a page, or of a segment, that has no record yet; the last record ends before it.
 */
const LOG_END = `place - case when place % segment = 40 then 40 when place % page = 24 and place % segment > page then 24 else 0 end`;
const OF_PRIMARY = `select (${LOG_END})::text as "logEnd", timeline, ${IDENTITY} from (
  select lsn - '0/0'::pg_lsn as place, ('x' || left(pg_walfile_name(lsn), 8))::bit(32)::integer as timeline,
    current_setting('wal_block_size')::numeric as page, pg_size_bytes(current_setting('wal_segment_size')) as segment
  from (
    select case
      when pg_is_in_recovery() then null
      when current_setting('synchronous_commit') = 'off' then pg_current_wal_insert_lsn()
      else pg_current_wal_flush_lsn()
    end as lsn
  ) as written
) as written`;
const OF_REPLICA = `select pg_is_in_recovery() as "isReplica",
  (select timeline_id from pg_control_checkpoint()) as timeline, ${IDENTITY}`;
const HAS_REPLAYED = `select pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= $1::numeric as "hasReplayed"`;

interface Identity {
  server: string;
  timeline: number;
  database: string;
  /** Null if the search path leads nowhere. */
  schema: string | null;
}

interface PrimaryState extends Identity {
  /** Where its write-ahead log ends, in bytes; null if it is a replica itself. */
  logEnd: string | null;
}

interface ReplicaState extends Identity {
  isReplica: boolean;
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
  /** How often in a row it had to be left alone. */
  #rests = 0;
  /** By the monotonic clock: in between the replica is left alone. */
  #rest = { from: 0, to: 0 };
  /** Why the replica cannot answer, as it was said last. */
  #said: string | undefined;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { url, poolSize, meter, logger } = options;
    // Its tables come from the primary.
    this.#replica = new Database({ url, poolSize, connectMs: CONNECT_MS }, logger, {
      prepare: async () => ({ schema: '', unbuilt: [] }),
      lookBriefly: async () => {},
    });
    this.#reads = meter && registerReads(meter);
  }

  close(): Promise<void> {
    return this.#replica.close();
  }

  /** @throws StoreUnavailableError if the address does not lead to a replica of the primary */
  async inspect(): Promise<void> {
    const wanted = await this.#askPrimary();
    try {
      await this.#replica.reading((client) => this.#caughtUp(client, wanted), CATCH_UP_MS);
    } catch (error) {
      if (error instanceof ReplicaBehindError) return;
      throw new StoreUnavailableError(`DATABASE_READ_URL: ${(error as Error).message}`, { cause: error });
    }
  }

  async query<Row extends object>(text: string, values: unknown[]): Promise<Row[]> {
    const startedAt = this.#options.clock.now();
    const found = startedAt < this.#rest.to ? undefined : await this.#tryReplica<Row>(text, values);
    if (found !== undefined && !(found instanceof Error)) {
      this.#answered();
      return found;
    }
    // If the primary is away, too, the replica is not to blame.
    const rows = await this.#options.primary.query<Row>(text, values);
    this.#reads?.inc({ from: 'primary' });
    if (found !== undefined) this.#leaveAlone(found, startedAt);
    return rows;
  }

  /** @returns why the replica cannot answer. @throws if what is read takes too long: it would on the primary, too */
  async #tryReplica<Row extends object>(text: string, values: unknown[]): Promise<Row[] | Error> {
    let hasCaughtUp = false;
    try {
      const wanted = await this.#askPrimary();
      return await this.#replica.reading(async (client) => {
        await this.#caughtUp(client, wanted);
        hasCaughtUp = true;
        // A statement of its own: its snapshot is taken after the replica has answered.
        return (await client.query<Row>(text, values)).rows;
      }, CATCH_UP_MS);
    } catch (error) {
      if (hasCaughtUp && isTooSlow(error)) throw error;
      return error as Error;
    }
  }

  async #askPrimary(): Promise<PrimaryState> {
    try {
      const [state] = await this.#options.primary.query<PrimaryState>(OF_PRIMARY, []);
      return state!;
    } catch (error) {
      const why = (error as Error).message;
      throw new StoreUnavailableError(`the primary does not say where its write-ahead log ends: ${why}`, {
        cause: error,
      });
    }
  }

  async #caughtUp(client: ClientBase, wanted: PrimaryState): Promise<void> {
    const { clock } = this.#options;
    const ask = async <Row extends object>(text: string, values: unknown[] = []) => {
      const { rows } = await client.query<Row>(
        Object.assign({ query_timeout: CATCH_UP_MS }, { text, values }),
      );
      return rows[0]!;
    };
    const giveUpAt = clock.now() + CATCH_UP_MS;
    const misfit = describeMisfit(wanted, await ask<ReplicaState>(OF_REPLICA));
    if (misfit !== undefined) throw new Error(misfit);
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      // Null if it has never replayed anything.
      const { hasReplayed } = await ask<{ hasReplayed: boolean | null }>(HAS_REPLAYED, [wanted.logEnd]);
      if (hasReplayed) return;
      if (clock.now() > giveUpAt) throw new ReplicaBehindError(`it is more than ${CATCH_UP_MS} ms behind`);
      await clock.sleep(pauseMs);
    }
  }

  #leaveAlone(error: Error, startedAt: number): void {
    const { clock, logger } = this.#options;
    // Of reads that fail together, one counts.
    if (startedAt >= this.#rest.from) {
      const from = clock.now();
      this.#rest = { from, to: from + backOffMs(FIRST_REST_MS, this.#rests, clock) };
      this.#rests++;
    }
    if (error instanceof ReplicaBehindError || error.message === this.#said) return;
    this.#said = error.message;
    logger.warn(`Reads go to the primary, since DATABASE_READ_URL cannot answer them: ${error.message}`);
  }

  #answered(): void {
    this.#reads?.inc({ from: 'replica' });
    this.#rests = 0;
    if (this.#said === undefined) return;
    this.#said = undefined;
    this.#options.logger.info('Reads go to DATABASE_READ_URL again');
  }
}

/** @returns why the replica must not be read; undefined if it may be */
function describeMisfit(wanted: PrimaryState, found: ReplicaState): string | undefined {
  if (wanted.logEnd === null) return 'DATABASE_URL leads to a replica, too';
  if (found.server !== wanted.server) return 'it leads to another server, not to a replica of the primary';
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
