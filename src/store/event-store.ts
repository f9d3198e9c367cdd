import type { Landmark } from '../log/landmarks.ts';
import type { DeadLetter, DeadLetterEntry, DeadLetterQuery } from './dead-letter-index.ts';
import type { EventCounts } from './event-counts.ts';
import type { EventRetention, KeptDays } from './event-retention.ts';
import type { TimeRange } from './time-range.ts';

export * from './dead-letter-index.ts';
export * from './event-counts.ts';
export * from './event-retention.ts';
export { StoreUnavailableError } from './store-unavailable.ts';
export * from './time-range.ts';

/**
 * The processed-event store, from which the API answers. The position of each partition moves in the same transaction
 * as its events, so that each event is stored once, wherever a process dies. All adapters pass
 * `test/contract/event-store.contract.ts`.
 */
export interface EventStore {
  /**
   * Claims partitions for this writer: previous claimants are rejected from now on (`FencedError`). A position that was
   * moved back from outside is booked as rewound. A store whose counters say it holds events, but which has lost all of
   * them, starts from scratch.
   *
   * @returns the position of each partition, in the same order
   */
  claim(topic: TopicRef, partitions: readonly number[]): Promise<Claim[]>;

  /**
   * Stores batches of different partitions of one topic in one transaction: events whose `key` is new, an entry for
   * each dead letter, and the new position of each partition.
   *
   * @throws FencedError when a position is not `fromOffset` and `fromRewound`, another writer has claimed the partition
   *    since, or the events stored before are gone: nothing is stored then. After any other error the outcome is
   *    unknown, and processing the batches again is safe: they are either stored or rejected.
   */
  process(batches: readonly StoreBatch[]): Promise<StoreOutcome>;

  /** Stored events by key; missing keys are left out. */
  get(keys: readonly string[]): Promise<Map<string, EventRecord>>;

  /**
   * Identifies a store whose sequences last only as long as the process; empty if they are permanent. A sequence of
   * another store is meaningless here.
   */
  readonly storeId: string;

  /** How far events can be read. */
  watermarks(): Promise<Watermarks>;

  /** Events in storage order: at most `limit`, fewer if they are large; none at the end. */
  read(selection: ReadQuery): Promise<StoredEvent[]>;

  /**
   * Events in the order of their own times, those with the same time as they were stored: at most `limit`, fewer if they
   * are large; none at the end. An event stored later appears in its place from then on.
   */
  readByTime(selection: TimeReadQuery): Promise<TimedEvent[]>;

  /** Exact event counts, up to date whenever queried. */
  readonly counts: EventCounts;

  /** How old events and dead letters may become. */
  readonly retention: EventRetention;

  /** The position of each partition of a topic, and its counters. */
  positions(group: string, topic: string): Promise<PartitionPosition[]>;

  /**
   * The dead letters of a group, latest first. After a failure between dead-letter topic and store, a record may be in
   * the topic twice; here it is listed once.
   */
  deadLetters(group: string, query: DeadLetterQuery): Promise<DeadLetter[]>;

  /** How many dead letters of a group were not redriven, by reason. May read every one of them. */
  countWaiting(group: string): Promise<Map<string, number>>;

  /** Records that dead letters were appended to their topic again. Unknown ids are ignored. */
  markRedriven(group: string, ids: readonly number[], at: Date): Promise<void>;

  /** Resolves if storing and reading currently work. @throws why not, within `timeoutMs` */
  ping(timeoutMs: number): Promise<void>;

  /** Closes connections and files. May be called twice. */
  close(): Promise<void>;
}

/** A topic as seen by one consumer group. */
export interface TopicRef {
  group: string;
  topic: string;
  /** A topic that was deleted and recreated under the same name is another topic: its offsets start over. */
  topicId: string;
}

export interface Claim {
  /** Identifies this claim; later claims have higher numbers. */
  epoch: number;
  /** Next offset to process; null if this group has processed nothing of this topic. */
  offset: number | null;
  /** True when this group has positions for an earlier topic of the same name. */
  topicRecreated: boolean;
  /** As of `PartitionPosition`. */
  rewound: number;
  /** Records processed before `offset`, latest first. */
  landmarks: Landmark[];
  /** Other topics whose events are in this store: an eventId is stored once across all of them. */
  otherTopics: string[];
  /** Older events are not to be given to `process`. When this changes, the claim is rejected. */
  keptDays: KeptDays;
}

export interface EventToStore {
  /** The UUID for deduplication (`eventKey`). */
  key: string;
  userId: string;
  eventType: string;
  /** The offset it was read from, in the partition of its batch. */
  offset: number;
  /** When it happened, by its own timestamp: milliseconds since 1970. */
  time: number;
  /** The same time in hours since 1970, UTC. */
  hour: number;
  /** Values counted besides its user, on the day of its hour. Values are short texts. */
  counted: readonly (readonly [dimension: string, value: string])[];
  /** The event as JSON text, returned unchanged. */
  json: string;
}

/** An event and its sequence number in storage order. Sequences have gaps. */
export interface StoredEvent {
  sequence: number;
  json: string;
}

export interface Watermarks {
  /** Of the latest event; 0 when there is none. */
  latest: number;
  /** No event will ever be inserted at or below this sequence. Readers may safely continue after it. */
  stable: number;
}

export interface SequenceRange {
  first: number;
  last: number;
}

/** What to read: events after one sequence up to another, optionally of one user or of certain types. */
export interface ReadQuery extends ReadFilter {
  order: 'asc' | 'desc';
  after: number;
  upTo: number;
  limit: number;
  /** Only events that happened then; without `userId` and `eventTypes`, and in at most `LONGEST_RANGE_MS`. */
  times?: TimeRange | undefined;
  /** Most bytes of JSON text, apart from the last event; default: 1 MB. */
  bytes?: number;
}

/** Where an event is in the order of time. */
export interface TimePlace {
  time: number;
  sequence: number;
}

export interface TimedEvent extends StoredEvent, TimePlace {}

/** What to read between two places; both ends exclusive. */
export interface TimeReadQuery extends ReadFilter {
  order: 'asc' | 'desc';
  after: TimePlace;
  before: TimePlace;
  limit: number;
  /** As of `ReadQuery`. */
  bytes?: number;
}

export interface ReadFilter {
  userId?: string | undefined;
  /** Not together with `userId`. */
  eventTypes?: readonly string[] | undefined;
}

/** Default limit of bytes that one `read` returns. */
export const READ_BYTES = 1_000_000;
/** A stored event and what is known of it. */
export interface EventRecord {
  json: string;
  /** The position it was read from; null for events stored by an earlier version. */
  partition: number | null;
  offset: number | null;
  storedAt: Date | null;
  /** Number of duplicates. */
  duplicates: number;
  /** Number of duplicates with another userId, eventType or payload; the first body was kept. */
  conflicts: number;
}

export interface StoreBatch extends TopicRef {
  partition: number;
  epoch: number;
  /** The position this batch continues from: as claimed, or `nextOffset` of the previous batch; null at first. */
  fromOffset: number | null;
  /**
   * `rewound` of that position. Offsets are reused when a log is rewritten, so a store that goes back can be at the
   * same offset with other events; offset and `rewound` together never repeat.
   */
  fromRewound: number;
  nextOffset: number;
  events: readonly EventToStore[];
  deadLetters: readonly DeadLetterEntry[];
  /** Where reading of the partition started; stored with the first batch. */
  startOffset: number;
  /** Offsets of the batch without a record: transaction markers, and records removed by compaction. */
  withoutRecord: number;
  /** Records of the batch whose events are too old to be kept. */
  expired: number;
  /** Offsets before the batch that the log deleted before they were processed. */
  lost: number;
  /** Offsets passed again, because the log now holds different records than those processed. */
  rewound: number;
  /** The landmarks of the position, plus one of this batch if it has a record. */
  landmarks: readonly Landmark[];
}

export interface BatchOutcome {
  stored: boolean[];
  conflicts: number;
  expired: string[];
}

/** The results of batches that were stored one after the other. */
export function mergeOutcomes(each: readonly BatchOutcome[]): StoreOutcome {
  return {
    stored: each.map(({ stored }) => stored),
    conflicts: each.reduce((sum, { conflicts }) => sum + conflicts, 0),
    expired: each.flatMap(({ expired }) => expired),
  };
}

export interface StoreOutcome {
  /** For each event of each batch: true if stored now, false if its key already existed or is of a removed event. */
  stored: boolean[][];
  /** How many of those not stored had a different userId, eventType or payload than the stored event. */
  conflicts: number;
  /** Keys of events that were removed before, and are not stored again. */
  expired: readonly string[];
}

/** Members in which two events of one key may differ without conflict: the time of acceptance. */
export const TIMESTAMP_MEMBER = '"timestamp":"[^"]*"';
const TIMESTAMP = new RegExp(TIMESTAMP_MEMBER);

/** Whether two events of one key, as JSON texts of `encodeEvent`, are equal except for their timestamps. */
export function isSameEvent(one: string, other: string): boolean {
  return one === other || one.replace(TIMESTAMP, '') === other.replace(TIMESTAMP, '');
}

/** Each offset from `startOffset` to `offset` is counted once in the fields below, rewound ones once more each time. */
export interface PartitionPosition {
  topicId: string;
  partition: number;
  /** Of the latest claim. */
  epoch: number;
  startOffset: number | null;
  offset: number | null;
  stored: number;
  duplicates: number;
  deadLettered: number;
  withoutRecord: number;
  /** Events that were too old to be kept. */
  expired: number;
  lost: number;
  /** Offsets passed more than once: the position was set back, or the log was truncated and rewritten. */
  rewound: number;
}

/** Raised by `process` when this writer no longer holds the partition, or its view of the position is stale. */
export class FencedError extends Error {
  constructor({ topic, partition, epoch }: Pick<StoreBatch, 'topic' | 'partition' | 'epoch'>) {
    super(`partition ${partition} of ${topic} has moved on since claim ${epoch}`);
    this.name = 'FencedError';
  }
}
