import { decodeLandmarks } from '../../log/landmarks.ts';
import {
  checkWritable,
  inTransaction,
  migrateSqlite,
  prepareArrayQuery,
  prepareQuery,
  type Query,
  type SqliteFile,
} from '../../sqlite/sqlite-file.ts';
import {
  type Claim,
  type DeadLetter,
  type DeadLetterQuery,
  type EventRecord,
  type EventStore,
  type PartitionPosition,
  READ_BYTES,
  type ReadQuery,
  type StoreBatch,
  type StoredEvent,
  type StoreOutcome,
  type TimedEvent,
  type TimeReadQuery,
  type TopicRef,
  type Watermarks,
} from '../event-store.ts';
import { EVENTS_ARE_GONE, FORGET_EVENTS, RECLAIM } from '../position-sql.ts';
import { SqliteCounts } from './counts.ts';
import { onFile } from './errors.ts';
import { STORE_SCHEMA } from './schema.ts';
import { defineEventTime, SqliteTimeOrder } from './time-order.ts';
import { keyBytes, SqliteWriter } from './writer.ts';

const POSITIONS = `
select topic_id as topicId, partition, epoch, next_offset as offset, stored, duplicates, dead_lettered as deadLettered,
  start_offset as startOffset, without_record as withoutRecord, lost, rewound
from positions where consumer_group = ? and topic = ? order by topic_id, partition`;

const DEAD_LETTERS = `
select seq as id, event_key as key, topic, partition, offset, reason, detail, attempt, set_aside_at as deadLetteredAt,
  redriven_at as redrivenAt, dlt_partition as deadLetterPartition, dlt_offset as deadLetterOffset
from dead_letters
where consumer_group = :group and (:before is null or seq < :before)
  and (:ids is null or seq in (select value from json_each(:ids)))
  and (:key is null or event_key = :key) and (:reason is null or reason = :reason)
  and (:waiting = 0 or redriven_at is null)
order by seq desc limit :limit`;

const EVENT = `
select json, partition, offset, stored_at as storedAt, duplicates, conflicts from events where event_key = ?`;

type ClaimRow = Pick<Claim, 'epoch' | 'offset' | 'rewound'> & { landmarks: string };
type EventRow = Omit<EventRecord, 'storedAt'> & { storedAt: number | null };
type DeadLetterRow = Omit<DeadLetter, 'key' | 'deadLetteredAt' | 'redrivenAt'> & {
  key: Uint8Array | null;
  deadLetteredAt: string;
  redrivenAt: string | null;
};

/** Keeps events in a SQLite file. Synchronous inside, so a batch is one uninterrupted transaction. */
export class SqliteStore implements EventStore {
  readonly storeId = '';
  readonly counts: SqliteCounts;
  readonly #file: SqliteFile;
  readonly #writer: SqliteWriter;
  readonly #byTime: SqliteTimeOrder;
  readonly #claim: Query<ClaimRow>;
  readonly #earlierTopic: Query<object>;
  readonly #otherTopics: Query<{ topic: string }>;
  readonly #positions: Query<PartitionPosition>;
  readonly #deadLetters: Query<DeadLetterRow>;
  readonly #get: Query<EventRow>;
  readonly #latest: Query<{ latest: number }>;
  readonly #eventsAreGone: Query<{ areGone: number }>;

  /** @param file stays open after `close`: its owner closes it */
  constructor(file: SqliteFile) {
    const { db } = file;
    this.#file = file;
    defineEventTime(db);
    migrateSqlite(db, 'store', STORE_SCHEMA);
    this.#claim = prepareQuery(
      db,
      `insert into positions (consumer_group, topic, topic_id, partition, epoch) values (?, ?, ?, ?, 1)
       on conflict do update set ${RECLAIM('max')} returning epoch, next_offset as offset, rewound, landmarks`,
    );
    this.#otherTopics = prepareQuery(
      db,
      'select distinct topic from positions where topic <> ? and stored > 0',
    );
    this.#earlierTopic = prepareQuery(
      db,
      'select 1 from positions where consumer_group = ? and topic = ? and topic_id <> ? limit 1',
    );
    this.#positions = prepareQuery(db, POSITIONS);
    this.#deadLetters = prepareQuery(db, DEAD_LETTERS);
    this.#get = prepareQuery(db, EVENT);
    this.#latest = prepareQuery(db, 'select coalesce(max(seq), 0) as latest from events');
    this.#eventsAreGone = prepareQuery(db, `select ${EVENTS_ARE_GONE} as areGone`);
    this.#byTime = new SqliteTimeOrder(db);
    this.counts = new SqliteCounts(db);
    this.#writer = new SqliteWriter(db, this.counts);
  }

  async claim({ group, topic, topicId }: TopicRef, partitions: readonly number[]): Promise<Claim[]> {
    const claimOne = (partition: number, otherTopics: string[]): Claim => {
      const { epoch, offset, rewound, landmarks } = this.#claim.get(group, topic, topicId, partition)!;
      const topicRecreated = offset === null && this.#earlierTopic.get(group, topic, topicId) !== undefined;
      return { epoch, offset, rewound, topicRecreated, landmarks: decodeLandmarks(landmarks), otherTopics };
    };
    return onFile(() =>
      inTransaction(this.#file.db, () => {
        if (this.#areEventsGone()) {
          for (const statement of [...FORGET_EVENTS, 'delete from user_events', 'delete from user_times'])
            this.#file.db.exec(statement);
        }
        const otherTopics = this.#otherTopics.all(topic).map((row) => row.topic);
        return partitions.map((partition) => claimOne(partition, otherTopics));
      }),
    );
  }

  async process(batches: readonly StoreBatch[]): Promise<StoreOutcome> {
    const outcome = onFile(() => inTransaction(this.#file.db, () => this.#writer.write(batches)));
    this.counts.add(outcome.stored.flat().length);
    return outcome;
  }

  async get(keys: readonly string[]): Promise<Map<string, EventRecord>> {
    const found = new Map<string, EventRecord>();
    for (const key of keys) {
      const row = onFile(() => this.#get.get(keyBytes(key)));
      if (row === undefined) continue;
      found.set(key, { ...row, storedAt: row.storedAt === null ? null : new Date(row.storedAt) });
    }
    return found;
  }

  async watermarks(): Promise<Watermarks> {
    // A single writer, whose transactions run one after the other.
    const { latest } = onFile(() => this.#latest.get()!);
    return { latest, stable: latest };
  }

  async read(query: ReadQuery): Promise<StoredEvent[]> {
    return onFile(() => this.#read(query));
  }

  async readByTime(query: TimeReadQuery): Promise<TimedEvent[]> {
    if (query.userId !== undefined) this.counts.countUp();
    return onFile(() => this.#byTime.read(query));
  }

  #read(query: ReadQuery): StoredEvent[] {
    const { order, limit, bytes: most = READ_BYTES, userId, eventTypes } = query;
    // Where the events of users are is known up to where they are counted.
    if (userId !== undefined) this.counts.countUp();
    const sources = eventTypes?.map((type) => this.#rows(query, type)) ?? [this.#rows(query)];
    const found: StoredEvent[] = [];
    let bytes = 0;
    for (const [sequence, json] of sources.length === 1 ? sources[0]! : merged(sources, order)) {
      found.push({ sequence, json });
      bytes += json.length;
      if (found.length === limit || bytes >= most) break;
    }
    return found;
  }

  async positions(group: string, topic: string): Promise<PartitionPosition[]> {
    const rows = onFile(() => this.#positions.all(group, topic));
    // What a claim would find.
    const areGone = onFile(() => this.#areEventsGone());
    return rows.map((row) => ({ ...row, offset: areGone ? null : row.offset }));
  }

  async deadLetters(group: string, query: DeadLetterQuery): Promise<DeadLetter[]> {
    const { before = null, ids, key, reason = null, waiting = false, limit } = query;
    const rows = onFile(() =>
      this.#deadLetters.all({
        group,
        before,
        ids: ids === undefined ? null : JSON.stringify(ids),
        key: key === undefined ? null : keyBytes(key),
        reason,
        waiting: waiting ? 1 : 0,
        limit,
      }),
    );
    return rows.map((row) => ({
      ...row,
      key: row.key && keyText(row.key),
      deadLetteredAt: new Date(row.deadLetteredAt),
      redrivenAt: row.redrivenAt === null ? null : new Date(row.redrivenAt),
    }));
  }

  async markRedriven(group: string, ids: readonly number[], at: Date): Promise<void> {
    const sql =
      'update dead_letters set redriven_at = ? where consumer_group = ? and seq in (select value from json_each(?))';
    onFile(() => this.#file.db.prepare(sql).run(at.toISOString(), group, JSON.stringify(ids)));
  }

  async ping(): Promise<void> {
    onFile(() => checkWritable(this.#file.db));
  }

  async close(): Promise<void> {}

  #areEventsGone(): boolean {
    return this.#eventsAreGone.get()!.areGone === 1;
  }

  #rows(
    { order, after, upTo, limit, userId }: ReadQuery,
    eventType?: string,
  ): IterableIterator<SequenceAndJson> {
    const [from, value] =
      userId !== undefined
        ? ['user_events join events using (seq) where user_events.user_id = ? and', userId]
        : eventType !== undefined
          ? ['events where event_type = ? and', eventType]
          : ['events where', undefined];
    const statement = prepareArrayQuery<SequenceAndJson>(
      this.#file.db,
      `select seq, json from ${from} seq > ? and seq <= ? order by seq ${order} limit ?`,
    );
    const range = [after, upTo, limit];
    return value === undefined ? statement.iterate(...range) : statement.iterate(value, ...range);
  }
}

type SequenceAndJson = [sequence: number, json: string];

/** Merges sorted sources. */
function* merged(
  sources: readonly Iterator<SequenceAndJson>[],
  order: 'asc' | 'desc',
): Generator<SequenceAndJson> {
  const isBefore = ([a]: SequenceAndJson, [b]: SequenceAndJson) => a < b === (order === 'asc');
  try {
    const heads = sources.map((source) => ({ source, row: nextRow(source) }));
    for (;;) {
      let first: (typeof heads)[number] | undefined;
      for (const head of heads) {
        if (head.row && (first?.row === undefined || isBefore(head.row, first.row))) first = head;
      }
      if (first?.row === undefined) return;
      yield first.row;
      first.row = nextRow(first.source);
    }
  } finally {
    // A statement that is not at its end holds its snapshot of the file, and the write-ahead log grows.
    for (const source of sources) source.return!();
  }
}

function nextRow(rows: Iterator<SequenceAndJson>): SequenceAndJson | undefined {
  const { done, value } = rows.next();
  return done ? undefined : value;
}

function keyText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
