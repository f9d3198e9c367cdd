import { systemClock, withDeadline } from '../../clock.ts';
import type { Examination } from '../../log/examination.ts';
import { decodeLandmarks } from '../../log/landmarks.ts';
import type { Logger } from '../../observability/logger.ts';
import { registerStoreBytes } from '../../observability/store-metrics.ts';
import {
  type Claim,
  type DeadLetter,
  type DeadLetterQuery,
  type EventRecord,
  type EventStore,
  type PartitionPosition,
  type ReadQuery,
  type StoreBatch,
  type StoredEvent,
  type StoreOutcome,
  StoreUnavailableError,
  type TimedEvent,
  type TimeReadQuery,
  type TopicRef,
  type Watermarks,
} from '../event-store.ts';
import { EVENTS_ARE_GONE, FORGET_EVENTS, RECLAIM } from '../position-sql.ts';
import { Database, type DatabaseOptions } from './client.ts';
import { PostgresCounts } from './counts.ts';
import { mayNot } from './errors.ts';
import * as reads from './reads.ts';
import { type Reader, ReplicaReader } from './replica.ts';
import { PostgresRetention } from './retention.ts';
import { readByTime } from './time-order.ts';
import { processBatches } from './writer.ts';
import { MAY_NOT_MOVE, MOVE_SEQUENCE, SEQUENCE_IS_BEHIND } from './writer-locks.ts';

const CLAIM = `
insert into positions (consumer_group, topic, topic_id, partition, epoch)
select $1, $2, $3, partition, 1 from unnest($4::integer[]) as partition order by partition
on conflict (consumer_group, topic, topic_id, partition) do update set ${RECLAIM('greatest')}
returning partition, epoch, next_offset, rewound, landmarks,
  exists (select 1 from positions p where p.consumer_group = $1 and p.topic = $2 and p.topic_id <> $3) as recreated,
  array(select distinct p.topic from positions p where p.topic <> $2 and p.stored > 0) as other_topics`;

/** No one stores meanwhile: what is reset must not belong to events that have just arrived. */
const FORGET_UNDISTURBED = [
  'lock table events in share row exclusive mode',
  ...FORGET_EVENTS,
  // Remembered by an attempt that was given up: nothing was removed.
  'delete from gone_events where not exists (select from events) and not exists (select from kept_from)',
];

export interface PostgresStoreOptions extends DatabaseOptions {
  /** Address of a replica, which answers reads of events. */
  readUrl?: string | undefined;
  logger: Logger;
}

/** Keeps events in PostgreSQL; any number of instances may share it. Creates its tables when first used. */
export class PostgresStore implements EventStore {
  readonly storeId = '';
  readonly counts: PostgresCounts;
  readonly retention: PostgresRetention;
  readonly #database: Database;
  readonly #replica: ReplicaReader | undefined;
  readonly #reader: Reader;
  readonly #logger: Logger;

  /** Connects on first use, so that the service can start while PostgreSQL is down. */
  constructor({ logger, readUrl, clock = systemClock, ...options }: PostgresStoreOptions) {
    this.#database = new Database({ ...options, clock }, logger);
    const { meter } = options;
    if (readUrl !== undefined) {
      this.#replica = new ReplicaReader({ ...options, url: readUrl, primary: this.#database, clock, logger });
    }
    this.#reader = this.#replica ?? this.#database;
    if (meter !== undefined) registerStoreBytes(meter, () => reads.bytes(this.#database));
    this.#logger = logger;
    this.counts = new PostgresCounts(this.#database, this.#reader);
    this.retention = new PostgresRetention(this.#database, this.counts);
  }

  async claim({ group, topic, topicId }: TopicRef, partitions: readonly number[]): Promise<Claim[]> {
    // A release that the tables are no longer for learns it here: the migration has taken its claims away.
    await this.#database.lookAgain();
    const { gone, behind } = await this.#inspect();
    if (gone) await this.#database.sequence(FORGET_UNDISTURBED);
    if (behind) await this.#moveSequence();
    // If we die here: nothing is claimed, and the next claim finds the same state.
    const rows = await this.#database.query<ClaimRow>(CLAIM, [group, topic, topicId, partitions]);
    // The claim may have waited for the end of a migration. One that ends later takes it away.
    await this.#database.lookAgain();
    // After the claim: a day that moves later takes the claim away.
    const keptDays = await this.retention.keptDays();
    const claims = new Map(rows.map((row) => [row.partition, row]));
    return partitions.map((partition) => {
      const { epoch, next_offset, rewound, recreated, landmarks, other_topics } = claims.get(partition)!;
      const offset = next_offset === null ? null : Number(next_offset);
      return {
        epoch: Number(epoch),
        offset,
        rewound: Number(rewound),
        topicRecreated: offset === null && recreated,
        landmarks: decodeLandmarks(landmarks),
        otherTopics: other_topics,
        keptDays,
      };
    });
  }

  async process(batches: readonly StoreBatch[]): Promise<StoreOutcome> {
    const outcome = await processBatches(this.#database, batches);
    // If we die here: everything is stored, and counted by the next count.
    this.counts.add(outcome.stored.flat().length);
    return outcome;
  }

  get(keys: readonly string[]): Promise<Map<string, EventRecord>> {
    return reads.get(this.#database, keys);
  }

  watermarks(): Promise<Watermarks> {
    return reads.watermarks(this.#database);
  }

  read(selection: ReadQuery): Promise<StoredEvent[]> {
    return reads.read(this.#reader, selection);
  }

  readByTime(selection: TimeReadQuery): Promise<TimedEvent[]> {
    return readByTime(this.#reader, selection);
  }

  async positions(group: string, topic: string): Promise<PartitionPosition[]> {
    const rows = await this.#database.query<PositionRow>(
      `select *, ${EVENTS_ARE_GONE} as gone from positions where consumer_group = $1 and topic = $2
       order by topic_id, partition`,
      [group, topic],
    );
    return rows.map((row) => ({
      topicId: row.topic_id,
      partition: row.partition,
      epoch: Number(row.epoch),
      // What a claim would find.
      offset: row.next_offset === null || row.gone ? null : Number(row.next_offset),
      stored: Number(row.stored),
      duplicates: Number(row.duplicates),
      deadLettered: Number(row.dead_lettered),
      startOffset: row.start_offset === null ? null : Number(row.start_offset),
      withoutRecord: Number(row.without_record),
      expired: Number(row.expired),
      lost: Number(row.lost),
      rewound: Number(row.rewound),
    }));
  }

  deadLetters(group: string, query: DeadLetterQuery): Promise<DeadLetter[]> {
    return reads.deadLetters(this.#database, group, query);
  }

  countWaiting(group: string): Promise<Map<string, number>> {
    return reads.countWaiting(this.#database, group);
  }

  async markRedriven(group: string, ids: readonly number[], at: Date): Promise<void> {
    await this.#database.query(
      'update dead_letters set redriven_at = $3 where consumer_group = $1 and seq = any($2::bigint[])',
      [group, ids, at],
    );
  }

  async ping(timeoutMs: number): Promise<void> {
    await withDeadline(this.#database.probe(timeoutMs), timeoutMs, 'PostgreSQL');
  }

  /** As `ping`, without making tables. @returns what it found, for people */
  async inspect(timeoutMs: number): Promise<string> {
    const { isComplete, found } = await withDeadline(
      this.#database.inspect(timeoutMs),
      timeoutMs,
      'PostgreSQL',
    );
    if (!isComplete || this.#replica === undefined) return `PostgreSQL, ${found}`;
    await withDeadline(this.#replica.inspect(), timeoutMs, 'the replica');
    return `PostgreSQL, ${found}, events read from a replica`;
  }

  /** Creates or changes tables and indexes, also where the settings leave that to somebody else. */
  migrate(): Promise<void> {
    return this.#database.migrate();
  }

  /** What may do harm, and what a maintainer asks for, whether or not events can be stored. */
  examine(timeoutMs: number): Promise<Examination> {
    return withDeadline(this.#database.examine(), timeoutMs, 'PostgreSQL');
  }

  async #inspect(): Promise<Damage> {
    const [row] = await this.#database.query<Damage>(
      `select ${EVENTS_ARE_GONE} as gone, ${SEQUENCE_IS_BEHIND} as behind`,
      [],
    );
    return row!;
  }

  async #moveSequence(): Promise<void> {
    try {
      const [, moved] = (await this.#database.sequence(MOVE_SEQUENCE)) as [[], [{ sequence: string }?]];
      if (moved[0] === undefined) return;
      this.#logger.warn(
        { sequence: Number(moved[0].sequence) },
        'The sequence of the events stood before events that are stored: it was moved past them',
      );
    } catch (error) {
      if (!mayNot(error)) throw error;
      throw new StoreUnavailableError(MAY_NOT_MOVE, { cause: error });
    }
  }

  async close(): Promise<void> {
    await this.counts.idle();
    await Promise.all([this.#database.close(), this.#replica?.close()]);
  }
}

/** Manual changes to the tables. */
interface Damage {
  /** All events are gone. */
  gone: boolean;
  /** The sequence is behind the events; null if there are none. */
  behind: boolean | null;
}

interface ClaimRow {
  partition: number;
  epoch: string;
  next_offset: string | null;
  rewound: string;
  landmarks: string;
  recreated: boolean;
  other_topics: string[];
}

interface PositionRow {
  topic_id: string;
  partition: number;
  epoch: string;
  next_offset: string | null;
  stored: string;
  duplicates: string;
  dead_lettered: string;
  start_offset: string | null;
  without_record: string;
  expired: string;
  lost: string;
  rewound: string;
  gone: boolean;
}
