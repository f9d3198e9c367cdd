import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { hostname } from 'node:os';
import { leaveTurns } from '../../loop-turns.ts';
import {
  checkWritable,
  inTransaction,
  prepareQuery,
  prepareTables,
  type Query,
  type SqliteFile,
  type StatementSync,
} from '../../sqlite/sqlite-file.ts';
import { AppendBatcher, type SizedRecord } from '../append-batcher.ts';
import type {
  AppendResult,
  EventLog,
  GroupMember,
  LogBatch,
  LogRecord,
  NewRecord,
  Receipt,
  RecordPosition,
  ScannedRecords,
  SubscribeOptions,
  TopicEnds,
  TopicStarts,
  TrimRequest,
} from '../event-log.ts';
import { NO_EPOCH } from '../landmarks.ts';
import { partitionOf } from '../partitioner.ts';
import { assignedPartition, type Topic } from './embedded-topic.ts';
import { encodeHeaders, type RecordRow, toRecord } from './rows.ts';
import { LOG_SCHEMA } from './schema.ts';
import { firstOffset, trimRecords } from './trim.ts';

const BATCH_RECORDS = 1000;
/** A batch ends with the record that reaches this size. */
const BATCH_BYTES = 1_000_000;
const MAX_GROUP_BYTES = 8_000_000;

interface EmbeddedLogOptions {
  /** Stays open after `close`: its owner closes it. */
  file: SqliteFile;
  /** Partitions of a topic that does not exist yet. */
  partitions: number;
  timeoutMs: number;
}

/** The event log in a SQLite file. An append is on disk (fsync) before it resolves. One reader per group. */
export class EmbeddedLog implements EventLog {
  readonly #file: SqliteFile;
  readonly #partitions: number;
  readonly #batcher: AppendBatcher;
  readonly #insert: StatementSync;
  readonly #read: Query<RecordRow>;
  readonly #topics = new Map<string, Topic>();
  readonly #reading = new Set<{ topic: string; group: string; member: GroupMember }>();
  readonly #appended = new EventEmitter().setMaxListeners(0);
  #closing: Promise<void> | undefined;

  constructor({ file, partitions, timeoutMs }: EmbeddedLogOptions) {
    this.#file = file;
    this.#partitions = partitions;
    prepareTables(file, 'log', LOG_SCHEMA);
    this.#insert = file.db.prepare('insert into log_records values (?, ?, ?, ?, ?, ?, ?)');
    this.#read = prepareQuery(
      file.db,
      'select offset, timestamp, key, value, headers from log_records where topic = ? and partition = ? and offset >= ? order by offset limit ?',
    );
    this.#batcher = new AppendBatcher({
      write: (records) => this.#write(records),
      maxGroupBytes: MAX_GROUP_BYTES,
      timeoutMs,
    });
  }

  async append(records: readonly NewRecord[]): Promise<AppendResult[]> {
    return this.#batcher.add(
      records.map((record) => {
        const key = record.key === null ? null : Buffer.from(record.key);
        const partition = partitionOf(key, this.#topic(record.topic).partitions);
        return {
          ...record,
          key,
          partition,
          bytes: record.value === null ? 0 : Buffer.byteLength(record.value),
        };
      }),
    );
  }

  async *subscribe({ topic: name, group, signal, onAssigned }: SubscribeOptions): AsyncGenerator<LogBatch[]> {
    while (!signal.aborted) {
      const topic = this.#topic(name);
      const assigned = topic.ends.map((_, partition) => assignedPartition(name, topic, partition));
      const { positions, restart } = await onAssigned(assigned);
      const ended = restart === undefined ? signal : AbortSignal.any([signal, restart]);
      const offsets = topic.ends.map((_, partition) => positions.get(partition)?.offset ?? Infinity);
      const partitions = [...topic.ends.keys()];
      const reading = { topic: name, group, member: { id: randomUUID(), host: hostname(), partitions } };
      this.#reading.add(reading);
      try {
        yield* this.#readOn(name, topic, offsets, ended);
      } finally {
        this.#reading.delete(reading);
      }
    }
  }

  async *#readOn(
    name: string,
    topic: Topic,
    offsets: number[],
    ended: AbortSignal,
  ): AsyncGenerator<LogBatch[]> {
    const isAssigned = () => !ended.aborted;
    while (!ended.aborted) {
      const behind = topic.ends.findIndex((end, partition) => offsets[partition]! < end);
      if (behind === -1) {
        await once(this.#appended, 'append', { signal: ended }).catch(ignoreAbort);
        continue;
      }
      // Takes partitions in turn, so that a busy one does not starve the others.
      for (let partition = behind; partition < topic.partitions && !ended.aborted; partition++) {
        // Reading and storing are synchronous here: without a pause, catching up would block requests.
        await leaveTurns();
        const fetchedFrom = offsets[partition]!;
        const records = this.#readFrom(topic, partition, fetchedFrom);
        const last = records.at(-1);
        if (last === undefined) continue;
        const nextOffset = last.offset + 1;
        offsets[partition] = nextOffset;
        const { topicId } = topic;
        const where = { topic: name, topicId, partition, fetchedFrom, nextOffset };
        yield [{ ...where, records, leaderEpoch: NO_EPOCH, isAssigned, commit() {} }];
      }
    }
  }

  async members(topic: string, group: string): Promise<GroupMember[]> {
    const reading = [...this.#reading].filter((one) => one.topic === topic && one.group === group);
    return reading.map(({ member }) => member);
  }

  async ends(name: string): Promise<TopicEnds> {
    const { topicId, ends } = this.#topic(name);
    return { topicId, ends: new Map(ends.map((end, partition) => [partition, { end, stable: end }])) };
  }

  async starts(name: string): Promise<TopicStarts> {
    const { topicId, starts } = this.#topic(name);
    return { topicId, starts: new Map(starts.entries()) };
  }

  async trim({ topic: name, before, passed, limit }: TrimRequest): Promise<number> {
    const topic = this.#topic(name);
    let left = limit;
    for (const [partition, end] of topic.ends.entries()) {
      // If we die here: what is removed so far is removed.
      left -= trimRecords(this.#file.db, {
        topic: topic.id,
        partition,
        below: Math.min(passed(partition), end - 1),
        before: before.getTime(),
        limit: left,
      });
      topic.starts[partition] = firstOffset(this.#file.db, topic.id, partition);
    }
    return limit - left;
  }

  async *scan(name: string): AsyncGenerator<ScannedRecords> {
    const topic = this.#topic(name);
    for (const [partition, end] of [...topic.ends].entries()) {
      for (let next = topic.starts[partition]!; next < end; ) {
        await leaveTurns();
        const read = this.#readFrom(topic, partition, next, Math.min(BATCH_RECORDS, end - next));
        const last = read.at(-1);
        if (last === undefined) break;
        yield { topicId: topic.topicId, partition, records: read };
        next = last.offset + 1;
      }
    }
  }

  async timestamps(name: string, positions: readonly RecordPosition[]): Promise<(number | undefined)[]> {
    const topic = this.#topic(name);
    return positions.map(
      ({ partition, offset }) => this.#readFrom(topic, partition, offset, 1)[0]?.timestamp,
    );
  }

  async read(name: string, positions: readonly RecordPosition[]): Promise<(LogRecord | undefined)[]> {
    const topic = this.#topic(name);
    return positions.map(({ partition, offset }) => {
      const [record] = this.#readFrom(topic, partition, offset, 1);
      return record?.offset === offset ? record : undefined;
    });
  }

  async ping(): Promise<void> {
    checkWritable(this.#file.db);
  }

  close(): Promise<void> {
    this.#closing ??= this.#batcher.idle();
    return this.#closing;
  }

  async #write(records: readonly SizedRecord[]): Promise<Receipt[]> {
    await leaveTurns();
    const timestamp = Date.now();
    const ends = new Map<string, number>();
    const receipts = inTransaction(this.#file.db, () =>
      records.map((record) => {
        const topic = this.#topic(record.topic);
        const endKey = `${record.topic}:${record.partition}`;
        const offset = ends.get(endKey) ?? topic.ends[record.partition]!;
        ends.set(endKey, offset + 1);
        this.#insert.run(
          topic.id,
          record.partition,
          offset,
          timestamp,
          record.key as Buffer | null,
          record.value === null ? null : Buffer.from(record.value),
          encodeHeaders(record.headers),
        );
        return { topic: record.topic, partition: record.partition, offset };
      }),
    );
    // Durable here. If we die now: callers get no answer, but the events are in the log and will be processed.
    for (const { topic, partition, offset } of receipts) this.#topic(topic).ends[partition] = offset + 1;
    this.#appended.emit('append');
    return receipts;
  }

  #readFrom(topic: Topic, partition: number, offset: number, limit = BATCH_RECORDS): LogRecord[] {
    const records: LogRecord[] = [];
    let bytes = 0;
    for (const row of this.#read.iterate(topic.id, partition, offset, limit)) {
      const record = toRecord(row);
      records.push(record);
      bytes += record.value?.length ?? 0;
      if (bytes >= BATCH_BYTES) break;
    }
    return records;
  }

  #topic(name: string): Topic {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    const { db, isReadOnly } = this.#file;
    if (!isReadOnly) this.#createTopic(name);
    const found = prepareQuery<Omit<Topic, 'starts' | 'ends'>>(
      db,
      'select id, topic_id as topicId, partitions from log_topics where name = ?',
    ).get(name);
    if (found === undefined) throw new Error(`topic ${name} is missing`);
    const { id, topicId, partitions } = found;
    const end = prepareQuery<{ end: number }>(
      db,
      'select coalesce(max(offset) + 1, 0) as end from log_records where topic = ? and partition = ?',
    );
    const ends = Array.from({ length: partitions }, (_, partition) => end.get(id, partition)!.end);
    const starts = ends.map((_, partition) => firstOffset(db, id, partition));
    const topic = { id, topicId, partitions, starts, ends };
    this.#topics.set(name, topic);
    return topic;
  }

  #createTopic(name: string): void {
    this.#file.db
      .prepare(
        'insert into log_topics (name, topic_id, partitions) values (?, ?, ?) on conflict (name) do nothing',
      )
      .run(name, randomUUID(), this.#partitions);
  }
}

function ignoreAbort(error: Error): void {
  if (error.name !== 'AbortError') throw error;
}
