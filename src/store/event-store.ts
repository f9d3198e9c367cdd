import type { Landmark } from '../log/landmarks.ts';
import type { EventCounts } from './event-counts.ts';

export * from './event-counts.ts';
export { StoreUnavailableError } from './store-unavailable.ts';

/**
 * The processed-event store: what the API answers from. The position of each partition moves in the same
 * transaction as the events, so that whatever dies between two lines, each event is stored once. All adapters
 * pass `test/contract/event-store.contract.ts`.
 */
export interface EventStore {
  /**
   * Takes over partitions for this writer: whoever claimed them before is refused from now on (`FencedError`). A position
   * that was moved back from outside is booked as rewound. A store that says it holds events and has lost all of them
   * starts from nothing.
   *
   * @returns for each partition, in the same order, where it stands
   */
  claim(topic: TopicRef, partitions: readonly number[]): Promise<Claim[]>;

  /**
   * Stores batches of different partitions of one topic in one transaction: events whose `key` is new, an entry for
   * each dead letter, and the new position of each partition.
   *
   * @throws FencedError when a position is not `fromOffset` and `fromRewound`, another writer has claimed the partition since,
   *   or the events stored before are gone: nothing is stored then. After any other error the outcome is unknown, and
   *   processing the batches again is safe: they are either stored or refused.
   */
  process(batches: readonly StoreBatch[]): Promise<StoreOutcome>;

  /** Stored events by key; keys that are not there are left out. */
  get(keys: readonly string[]): Promise<Map<string, EventRecord>>;

  /**
   * Told apart from other stores where sequences in it last only as long as the process; empty where they last. A sequence
   * of another store means nothing here.
   */
  readonly storeId: string;

  /** How far there is something to read. */
  watermarks(): Promise<Watermarks>;

  /** Events in the order in which they were stored: at most `limit`, or fewer where they are large; none at the end. */
  read(selection: ReadQuery): Promise<StoredEvent[]>;

  /** How many events there are of what, up to date whenever asked. */
  readonly counts: EventCounts;

  /** Where each partition of a topic stands, and what has been counted on the way. */
  positions(group: string, topic: string): Promise<PartitionPosition[]>;

  /**
   * What was set aside for a group, latest first. After a failure between dead-letter topic and store a record
   * may be in the topic twice; here it is once.
   */
  deadLetters(group: string, query: DeadLetterQuery): Promise<DeadLetter[]>;

  /** Notes that dead letters were appended to their topic again. Ids that are not there are passed over. */
  markRedriven(group: string, ids: readonly number[], at: Date): Promise<void>;

  /** Resolves when storing and reading would work just now. @throws why not, within `timeoutMs` */
  ping(timeoutMs: number): Promise<void>;

  /** Lets go of connections and files. May be called twice. */
  close(): Promise<void>;
}

/** A topic as one consumer group sees it. */
export interface TopicRef {
  group: string;
  topic: string;
  /** A topic that was deleted and created again under the same name is another topic: its offsets begin again. */
  topicId: string;
}

export interface Claim {
  /** Identifies this claim; the next one is higher. */
  epoch: number;
  /** Offset to process next; null when nothing of this topic has been processed by this group. */
  offset: number | null;
  /** True when this group has positions for an earlier topic of the same name. */
  topicRecreated: boolean;
  /** As of `PartitionPosition`. */
  rewound: number;
  /** Records that were processed before `offset`, latest first. */
  landmarks: Landmark[];
  /** Other topics whose events are in this store: an eventId is stored once across all of them. */
  otherTopics: string[];
}

export interface EventToStore {
  /** The UUID it is deduplicated by (`eventKey`). */
  key: string;
  userId: string;
  eventType: string;
  /** Where it was read from, in the partition of its batch. */
  offset: number;
  /** When it happened, by its own timestamp: hours since 1970, UTC. */
  hour: number;
  /** What it counts for beside its user, on the day of its hour. Values are short texts. */
  counted: readonly (readonly [dimension: string, value: string])[];
  /** The event as JSON text, returned as it is. */
  json: string;
}

/** An event and its sequence number in storage order. Numbers have gaps. */
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

/** What to read: events after one sequence and up to another, those of a user, or of any of some types. */
export interface ReadQuery extends ReadFilter {
  order: 'asc' | 'desc';
  after: number;
  upTo: number;
  limit: number;
  /** Most bytes of JSON texts, but for the last event; 1 MB if not given. */
  bytes?: number;
}

export interface ReadFilter {
  userId?: string | undefined;
  /** Not together with `userId`. */
  eventTypes?: readonly string[] | undefined;
}

/** Most bytes that one `read` returns where it is not told otherwise. */
export const READ_BYTES = 1_000_000;
/** A stored event and what is known of it. */
export interface EventRecord {
  json: string;
  /** Where it was read from; null for what an earlier version stored. */
  partition: number | null;
  offset: number | null;
  storedAt: Date | null;
  /** How often it came again. */
  duplicates: number;
  /** How often it came again with another userId, eventType or payload; the first body was kept. */
  conflicts: number;
}

/** Index entry of a record that was set aside; its bytes are in the dead-letter topic. */
export interface DeadLetterEntry {
  /** The key of the event it would have been; null where it has no eventId. */
  key: string | null;
  offset: number;
  /** As of `recordDigest`: where the log was written again, an offset holds another record than before. */
  digest: string;
  reason: string;
  detail: string;
  /** 1 at first; one more each time it was redriven and set aside again. */
  attempt: number;
  deadLetteredAt: Date;
  deadLetterPartition: number;
  deadLetterOffset: number;
}

export interface DeadLetter extends Omit<DeadLetterEntry, 'digest'> {
  /** Ascending in the order in which they were set aside. */
  id: number;
  topic: string;
  partition: number;
  redrivenAt: Date | null;
}

/** All parts that are given must hold. */
export interface DeadLetterQuery {
  limit: number;
  /** Only ids below this. */
  before?: number | undefined;
  ids?: readonly number[] | undefined;
  key?: string | undefined;
  reason?: string | undefined;
  /** True: only those not redriven yet. */
  waiting?: boolean | undefined;
}

export interface StoreBatch extends TopicRef {
  partition: number;
  epoch: number;
  /** The position this batch continues from: as claimed, or `nextOffset` of the batch before; null at first. */
  fromOffset: number | null;
  /**
   * `rewound` of that position. Offsets come back when a log is written again, and a store that goes back can then stand
   * at the same one with other events: both together never do.
   */
  fromRewound: number;
  nextOffset: number;
  events: readonly EventToStore[];
  deadLetters: readonly DeadLetterEntry[];
  /** Where reading of the partition began; kept with the first batch. */
  startOffset: number;
  /** Offsets of the batch that hold no record: transaction markers, and what compaction took. */
  withoutRecord: number;
  /** Offsets before the batch that the log had deleted before they were processed. */
  lost: number;
  /** Offsets that are passed once more, because the log has other records there than those that were processed. */
  rewound: number;
  /** Those of the position, with one of this batch where it has a record. */
  landmarks: readonly Landmark[];
}

export interface BatchOutcome {
  stored: boolean[];
  conflicts: number;
}

/** What came of batches that were stored one after the other. */
export function mergeOutcomes(each: readonly BatchOutcome[]): StoreOutcome {
  return {
    stored: each.map(({ stored }) => stored),
    conflicts: each.reduce((sum, { conflicts }) => sum + conflicts, 0),
  };
}

export interface StoreOutcome {
  /** For each batch, for each of its events: true when stored now, false when its key was there already. */
  stored: boolean[][];
  /** How many of those not stored had another userId, eventType or payload than the one that was. */
  conflicts: number;
}

/** What two events of one key may differ in without conflict: the time they were accepted. */
export const TIMESTAMP_MEMBER = '"timestamp":"[^"]*"';
const TIMESTAMP = new RegExp(TIMESTAMP_MEMBER);

/** Whether two events of one key, as JSON texts of `encodeEvent`, are the same but for their timestamps. */
export function isSameEvent(one: string, other: string): boolean {
  return one === other || one.replace(TIMESTAMP, '') === other.replace(TIMESTAMP, '');
}

/** Each offset from `startOffset` to `offset` is counted once in what follows them, those that were rewound once more. */
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
  lost: number;
  /** Offsets passed more than once: the position was set back, or the log was cut and written again. */
  rewound: number;
}

/** Raised by `process` when this writer no longer holds the partition, or its view of the position is old. */
export class FencedError extends Error {
  constructor({ topic, partition, epoch }: Pick<StoreBatch, 'topic' | 'partition' | 'epoch'>) {
    super(`partition ${partition} of ${topic} has moved on since claim ${epoch}`);
    this.name = 'FencedError';
  }
}
