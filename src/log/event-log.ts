/**
 * The event log: an append-only, partitioned log. Events are durable once they are in it, and everything the
 * store holds can be derived from it. Both adapters pass `test/contract/event-log.contract.ts`.
 */
export interface EventLog {
  /**
   * Appends records, each to the partition that Kafka's own partitioner (murmur2) gives its key, and resolves
   * once it is known of each what became of it. Calls that are waiting at the same time share one write. Records of
   * one call with one key keep their order.
   *
   * @returns for each record, in the same order, its receipt once it is durable, or an AppendError. Appending an
   *   unconfirmed record again is safe for events, because the store keeps the first of each eventId. A record that the
   *   log refuses does not affect the others.
   */
  append(records: readonly NewRecord[]): Promise<AppendResult[]>;

  /**
   * Reads the topic as a member of a consumer group, in offset order, without end: what was read at once, as a batch
   * of each partition it is from. Pulled: no more is read ahead than that once for each broker. Ends when `signal`
   * aborts; throws when the log cannot be read, and may then be called again. Leaving the loop leaves the group.
   */
  subscribe(options: SubscribeOptions): AsyncIterable<LogBatch[]>;

  /** Who processes which partitions of the topic as members of the group, by whatever process. */
  members(topic: string, group: string): Promise<GroupMember[]>;

  /** Where each partition ends. */
  ends(topic: string): Promise<TopicEnds>;

  /**
   * When the first record at or after each position was written, by its own timestamp: milliseconds since 1970. Records
   * of transactions that are still open count, too.
   *
   * @returns for each position, in the same order; undefined where the partition ends before
   */
  timestamps(topic: string, positions: readonly RecordPosition[]): Promise<(number | undefined)[]>;

  /**
   * Reads single records by where they are.
   *
   * @returns the record for each position, in the same order; undefined where the log no longer holds it
   */
  read(topic: string, positions: readonly RecordPosition[]): Promise<(LogRecord | undefined)[]>;

  /** Resolves when appending and reading would work just now. @throws why not, within `timeoutMs` */
  ping(timeoutMs: number): Promise<void>;

  /** Finishes appends in flight and lets go of connections and files. May be called twice. */
  close(): Promise<void>;
}

/** A process that reads as part of a consumer group. */
export interface GroupMember {
  id: string;
  /** Where it runs, as the log sees it. */
  host: string;
  partitions: number[];
}

export interface NewRecord {
  topic: string;
  key: string | Buffer | null;
  value: string | Buffer | null;
  /** Names may repeat. */
  headers: readonly (readonly [name: string, value: string | Buffer | null])[];
}

/** Where a record is in the log. */
export interface Receipt {
  topic: string;
  partition: number;
  /** Counts from 0 in each partition. Kafka's 64 bits are not needed: 2^53 records are 285 years at 1 M/s. */
  offset: number;
}

/**
 * `unconfirmed`: the record may or may not be durable. `too-large`, `refused`: the log takes no record of this size, or
 * of this kind, and holds nothing of it.
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

/** The receipts of records that only count together. @throws the first error among the results */
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
  /** The offset its next record will get (Kafka: the high watermark). */
  end: number;
  /** Where reading ends for now: open transactions hold back what lies from here to `end` (the last stable offset). */
  stable: number;
}

export type RecordPosition = Pick<Receipt, 'partition' | 'offset'>;

export interface LogRecord {
  offset: number;
  key: Buffer | null;
  value: Buffer | null;
  /** Names may repeat. */
  headers: [name: string, value: Buffer | null][];
  /** Milliseconds since 1970, as the producer (`CreateTime`) or the broker (`LogAppendTime`) set it. */
  timestamp: number;
  timestampType: 'CreateTime' | 'LogAppendTime';
}

/** A partition this member was given, and what the log holds of it at that moment. */
export interface AssignedPartition {
  topic: string;
  /** Changes when a topic is deleted and created again under the same name: its offsets then mean other records. */
  topicId: string;
  partition: number;
  /** Lowest offset still held. */
  earliest: number;
  /** Where reading ends for now (the last stable offset); a broker that has just started may know of less than it holds. */
  end: number;
  /**
   * The log is another one from this offset on than the one that was read, by its leader epochs (KIP-320). Undefined
   * where nothing says so.
   */
  divergesAt?: number | undefined;
  /** Whether the log goes on from this offset, known for certain: false when it ends before. */
  hasOffset(offset: number): Promise<boolean>;
  /** Whether the log, asked again, says the same of its topic and beginning, and ends no earlier. */
  isCurrent(): Promise<boolean>;
}

export interface SubscribeOptions {
  topic: string;
  group: string;
  signal: AbortSignal;
  /**
   * Decides where reading starts. Called at each assignment, before anything of it is read, and again whenever reading
   * has to start over: when `restart` of the last answer aborts, or when the log turns out to be another one.
   */
  onAssigned(assigned: readonly AssignedPartition[]): Promise<ReadingStart>;
}

export interface ReadingStart {
  /** By partition; one that is left out is read from offset 0. */
  positions: ReadonlyMap<number, StartPosition>;
  /** Ends this reading and has `onAssigned` asked again, without leaving the group. */
  restart?: AbortSignal | undefined;
}

export interface StartPosition {
  offset: number;
  /** Leader epoch of the record before `offset`, by which a log that was cut and written again is recognised. */
  leaderEpoch?: number | undefined;
}

/** The batches of a reading, one by one. */
export async function* flattenBatches(reading: AsyncIterable<LogBatch[]>): AsyncGenerator<LogBatch> {
  for await (const batches of reading) yield* batches;
}

export interface LogBatch {
  topic: string;
  topicId: string;
  partition: number;
  /** The offset that was asked for. Whatever lies from here to `nextOffset` is in `records`, or holds no record. */
  fetchedFrom: number;
  /** In offset order; offsets may have gaps. May be empty: then only the position moves. */
  records: LogRecord[];
  /** Offset to read next. */
  nextOffset: number;
  /** Of the last record, or NO_EPOCH. */
  leaderEpoch: number;
  /** False once the partition was given to another member: what is not stored yet is then theirs to store. */
  isAssigned(): boolean;
  /** Tells the log that everything before `nextOffset` is processed. For lag tools only: it decides nothing. */
  commit(): void;
}
