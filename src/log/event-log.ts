import { FootfallError } from '../errors.ts';

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
   * @returns for each record, in the same order, its receipt once it is durable, or a FootfallError. `publish_failed`:
   *   not known to be durable; appending it again is safe for events because the store keeps the first of each eventId.
   *   `body_too_large`: the log refuses a record of this size; other records do not suffer from it.
   */
  append(records: readonly NewRecord[]): Promise<AppendResult[]>;

  /**
   * Reads the topic as a member of a consumer group, in offset order, without end: what was read at once, as a batch
   * of each partition it is from. Pulled: no more is read ahead than that once for each broker. Ends when `signal`
   * aborts; throws when the log cannot be read, and may then be called again. Leaving the loop leaves the group.
   */
  subscribe(options: SubscribeOptions): AsyncIterable<LogBatch[]>;

  /** Where each partition ends. */
  ends(topic: string): Promise<TopicEnds>;

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

export type AppendResult = Receipt | FootfallError;

/** The receipts of records that only count together. @throws the first error among the results */
export function receiptsOf(results: readonly AppendResult[]): Receipt[] {
  return results.map((result) => {
    if (result instanceof FootfallError) throw result;
    return result;
  });
}

export interface TopicEnds {
  /** As of `AssignedPartition`. */
  topicId: string;
  /** By partition: the offset its next record will get; records of open transactions do not count. */
  ends: Map<number, number>;
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
  /** Changes when a topic of the same name is created anew, and with it the meaning of its offsets. */
  topicId: string;
  partition: number;
  /** Lowest offset still held. */
  earliest: number;
  /** Offset the next record will get; a broker that has just started may know of less than it holds. */
  end: number;
  /** Whether the log goes on from this offset, known for certain: false when it ends before. */
  reaches(offset: number): Promise<boolean>;
}

export interface SubscribeOptions {
  topic: string;
  group: string;
  signal: AbortSignal;
  /**
   * Called at each assignment, before anything of it is read.
   *
   * @returns the offset to start at for each partition
   */
  startAt(assigned: readonly AssignedPartition[]): Promise<Map<number, number>>;
}

/** The batches of a reading, one by one. */
export async function* oneByOne(reading: AsyncIterable<LogBatch[]>): AsyncGenerator<LogBatch> {
  for await (const batches of reading) yield* batches;
}

export interface LogBatch {
  topic: string;
  topicId: string;
  partition: number;
  /** In offset order; offsets may have gaps. May be empty: then only the position moves. */
  records: LogRecord[];
  /** Offset to read next. */
  nextOffset: number;
  /** Offset after the last record of the partition when the batch was read: what lag is counted from. */
  endOffset: number;
  /** False once the partition was given to another member: what is not stored yet is then theirs to store. */
  isAssigned(): boolean;
  /** Tells the log that everything before `nextOffset` is processed. For lag tools only: it decides nothing. */
  commit(): void;
}
