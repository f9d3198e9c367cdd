/**
 * The event log: an append-only, partitioned log. Events are durable once they are in it, and everything the
 * store holds can be derived from it. Both adapters pass `test/contract/event-log.contract.ts`.
 */
export interface EventLog {
  /**
   * Appends records, each to the partition that Kafka's own partitioner (murmur2) assigns to its key, and resolves once
   * the outcome of each is known. Concurrent calls share one write. Records of one call with the same key keep their
   * order.
   *
   * @returns for each record, in the same order, its receipt once it is durable, or an AppendError. Appending an
   *   unconfirmed record again is safe for events, because the store keeps the first of each eventId. A record that the
   *   log refuses does not affect the others.
   */
  append(records: readonly NewRecord[]): Promise<AppendResult[]>;

  /**
   * Reads the topic endlessly as a member of a consumer group, in offset order. Records read together are yielded as
   * one batch per partition. Pull-based: at most one fetch per broker is read ahead. Ends when `signal` aborts; throws
   * when the log cannot be read, and may then be called again. Leaving the loop leaves the group.
   */
  subscribe(options: SubscribeOptions): AsyncIterable<LogBatch[]>;

  /** Members of the group, in any process, and the partitions assigned to each. */
  members(topic: string, group: string): Promise<GroupMember[]>;

  /** Where each partition ends. */
  ends(topic: string): Promise<TopicEnds>;

  /** Where each partition begins. */
  starts(topic: string): Promise<TopicStarts>;

  /**
   * The timestamp of the first record at or after each position: milliseconds since 1970. Records of open transactions
   * count too.
   *
   * @returns one per position, in the same order; undefined if the partition ends before it; `not served` if looking would
   *    use up a quota that reading needs
   */
  timestamps(topic: string, positions: readonly RecordPosition[]): Promise<(FoundTime | undefined)[]>;

  /**
   * Reads single records by position.
   *
   * @returns one record per position, in the same order; undefined if the log no longer holds it
   */
  read(topic: string, positions: readonly RecordPosition[]): Promise<(LogRecord | undefined)[]>;

  /**
   * Reads all that the topic held when it was asked, outside any group: each record once, in offset order, one partition
   * after the other.
   *
   * @throws when the log cannot be read, or the topic is created again meanwhile
   */
  scan(topic: string): AsyncIterable<ScannedRecords>;

  /**
   * Removes old records, the oldest first; the last record of a partition stays, so that no offset is given out again.
   * Missing where the log has a retention of its own.
   *
   * @returns how many it removed
   */
  trim?(request: TrimRequest): Promise<number>;

  /** Resolves if appending and reading currently work. @throws why not, within `timeoutMs` */
  ping(timeoutMs: number): Promise<void>;

  /** Finishes appends in flight and closes connections and files. May be called twice. */
  close(): Promise<void>;
}

/** A process that reads as part of a consumer group. */
export interface GroupMember {
  id: string;
  /** Its host, as the log sees it. */
  host: string;
  partitions: number[];
}

export interface NewRecord {
  topic: string;
  key: string | Buffer | null;
  value: string | Buffer | null;
  /** Names may occur more than once. */
  headers: readonly (readonly [name: string, value: string | Buffer | null])[];
}

/** The position of a record in the log. */
export interface Receipt {
  topic: string;
  partition: number;
  /**
   * Counts from 0 in each partition. Kafka's 64 bits are not needed: 2^53 records last 285 years at 1 million per
   * second.
   */
  offset: number;
}

/**
 * `unconfirmed`: the record may or may not be durable. `too-large`, `refused`: the log does not accept records of this
 * size or kind, and has stored nothing of it.
 */
export type AppendFailure = 'unconfirmed' | 'too-large' | 'refused';

/** Why a record is not known to be durable; `cause` is what the log reported. */
export class AppendError extends Error {
  readonly failure: AppendFailure;

  constructor(failure: AppendFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'AppendError';
    this.failure = failure;
  }

  /** Whether appending the same record later can succeed. */
  get retryable(): boolean {
    return this.failure === 'unconfirmed';
  }
}

export type AppendResult = Receipt | AppendError;

/** The receipts of records that succeed or fail together. @throws the first error among the results */
export function unwrapReceipts(results: readonly AppendResult[]): Receipt[] {
  return results.map((result) => {
    if (result instanceof AppendError) throw result;
    return result;
  });
}

export interface TopicEnds {
  /** As of `AssignedPartition`. */
  topicId: string;
  /** By partition. */
  ends: Map<number, PartitionEnd>;
}

export interface PartitionEnd {
  /** The offset that the next record will get (Kafka: the high watermark). */
  end: number;
  /**
   * Where reading currently ends (the last stable offset): open transactions hold back the records from here to `end`.
   */
  stable: number;
}

/** Milliseconds since 1970. */
export type FoundTime = number | 'not served';

export interface TopicStarts {
  /** As of `AssignedPartition`. */
  topicId: string;
  /** By partition: the lowest offset still held. */
  starts: Map<number, number>;
}

/** Records of one partition, in offset order. */
export type ScannedRecords = Pick<LogBatch, 'topicId' | 'partition' | 'records'>;

export type RecordPosition = Pick<Receipt, 'partition' | 'offset'>;

export interface LogRecord {
  offset: number;
  key: Buffer | null;
  value: Buffer | null;
  /** Names may occur more than once. */
  headers: [name: string, value: Buffer | null][];
  /** Milliseconds since 1970, as the producer (`CreateTime`) or the broker (`LogAppendTime`) set it. */
  timestamp: number;
  timestampType: 'CreateTime' | 'LogAppendTime';
}

/** A partition assigned to this member, and what the log held of it at that moment. */
export interface AssignedPartition {
  topic: string;
  /** Changes when a topic is deleted and created again under the same name; its offsets then refer to other records. */
  topicId: string;
  partition: number;
  /** Lowest offset still held. */
  earliest: number;
  /** Where reading currently ends (the last stable offset); a freshly started broker may know of less than it holds. */
  end: number;
  /**
   * The first offset at which the log differs from the one that was read, according to its leader epochs (KIP-320).
   * Undefined if no difference is known.
   */
  divergesAt?: number | undefined;
  /** Whether the log certainly continues from this offset: false if it ends before. */
  hasOffset(offset: number): Promise<boolean>;
  /** Whether the log, asked again, reports the same topic and start, and ends no earlier. */
  isCurrent(): Promise<boolean>;
}

export interface SubscribeOptions {
  topic: string;
  group: string;
  signal: AbortSignal;
  /**
   * Decides where reading starts. Called at each assignment before anything is read, and again whenever reading has to
   * start over: when `restart` of the last result aborts, or when the log turns out to be a different one, or may be:
   * behind a new connection there may be an earlier state of it, in which the same offsets are used again.
   */
  onAssigned(assigned: readonly AssignedPartition[]): Promise<ReadingStart>;
  /** Told that nothing can be delivered for so many milliseconds, since this reader has used up its quota. */
  onThrottled?(ms: number): void;
}

export interface ReadingStart {
  /** By partition; any that is missing is not read. */
  positions: ReadonlyMap<number, StartPosition>;
  /** Ends this reading and calls `onAssigned` again, without leaving the group. */
  restart?: AbortSignal | undefined;
}

export interface StartPosition {
  offset: number;
  /** Leader epoch of the record before `offset`, which detects a log that was truncated and rewritten. */
  leaderEpoch?: number | undefined;
}

/** Iterates over the batches of a reading, one by one. */
export async function* flattenBatches(reading: AsyncIterable<LogBatch[]>): AsyncGenerator<LogBatch> {
  for await (const batches of reading) yield* batches;
}

export interface LogBatch {
  topic: string;
  topicId: string;
  partition: number;
  /** The requested offset. Everything from here to `nextOffset` is in `records` or holds no record. */
  fetchedFrom: number;
  /** In offset order, possibly with gaps. May be empty: then only the position moves. */
  records: LogRecord[];
  /** Offset to read next. */
  nextOffset: number;
  /** Of the last record, or NO_EPOCH. */
  leaderEpoch: number;
  /** False once the partition was assigned to another member, which then stores whatever is not stored yet. */
  isAssigned(): boolean;
  /** Commits `nextOffset` to the log. For lag tools only: it never decides where reading starts. */
  commit(): void;
}

export interface TrimRequest {
  topic: string;
  /** Removes what was appended before. */
  before: Date;
  /** Removes records of a partition before this offset. */
  passed(partition: number): number;
  /** Most records removed. */
  limit: number;
}
