import { decodeLandmarks } from '../../log/landmarks.ts';
import {
  checkWritable,
  inTransaction,
  prepareArrayQuery,
  prepareQuery,
  prepareTables,
  type Query,
  type SqliteFile,
} from '../../sqlite/sqlite-file.ts';
import {
  type Claim,
  type DeadLetter,
  type DeadLetterQuery,
  type EventRecord,
  type EventStore,
  HOUR_MS,
  hoursOf,
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
import { keyBytes, keyText } from './keys.ts';
import { merged } from './merged.ts';
import { SqliteRetention } from './retention.ts';
import { STORE_SCHEMA } from './schema.ts';
import { defineEventTime, readByTime } from './time-order.ts';
import { LATEST_EVER, SqliteWriter } from './writer.ts';

const POSITIONS = `
select topic_id as topicId, partition, epoch, next_offset as offset, stored, duplicates, dead_lettered as deadLettered,
  start_offset as startOffset, without_record as withoutRecord, expired, lost, rewound
from positions where consumer_group = ? and topic = ? order by topic_id, partition`;

const DEAD_LETTERS = `
select seq as id, event_key as key, topic, partition, offset, reason, detail, attempt, set_aside_at as deadLetteredAt,
  redriven_at as redrivenAt, dlt_partition as deadLetterPartition, dlt_offset as deadLetterOffset
from dead_letters
where consumer_group = :group and seq < :before`;

const WAITING = `
select reason, count(*) as letters from dead_letters where consumer_group = ? and redriven_at is null group by reason`;

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
  readonly retention: SqliteRetention;
  readonly #file: SqliteFile;
  readonly #writer: SqliteWriter;
  readonly #claim: Query<ClaimRow>;
  readonly #earlierTopic: Query<object>;
  readonly #otherTopics: Query<{ topic: string }>;
  readonly #positions: Query<PartitionPosition>;
  readonly #waiting: Query<{ reason: string; letters: number }>;
  readonly #get: Query<EventRow>;
  readonly #latest: Query<{ latest: number }>;
  readonly #eventsAreGone: Query<{ areGone: number }>;

  /** @param file stays open after `close`: its owner closes it */
  constructor(file: SqliteFile) {
    const { db } = file;
    this.#file = file;
    defineEventTime(db);
    prepareTables(file, 'store', STORE_SCHEMA);
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
    this.#waiting = prepareQuery(db, WAITING);
    this.#get = prepareQuery(db, EVENT);
    this.#latest = prepareQuery(db, `select ${LATEST_EVER} as latest`);
    this.#eventsAreGone = prepareQuery(db, `select ${EVENTS_ARE_GONE} as areGone`);
    this.counts = new SqliteCounts(db);
    this.retention = new SqliteRetention(db, this.counts);
    this.#writer = new SqliteWriter(db, this.counts);
  }

  async claim({ group, topic, topicId }: TopicRef, partitions: readonly number[]): Promise<Claim[]> {
    const claimOne = (partition: number, otherTopics: string[]): Claim => {
      const { epoch, offset, rewound, landmarks } = this.#claim.get(group, topic, topicId, partition)!;
      const topicRecreated = offset === null && this.#earlierTopic.get(group, topic, topicId) !== undefined;
      const { days: keptDays } = this.retention;
      const held = { epoch, offset, rewound, landmarks: decodeLandmarks(landmarks) };
      return { ...held, topicRecreated, otherTopics, keptDays };
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
    return onFile(() => readByTime(this.#file.db, query));
  }

  #read(query: ReadQuery): StoredEvent[] {
    const { order, limit, bytes: most = READ_BYTES, userId } = query;
    // The places of users' events are known as far as events are counted.
    if (userId !== undefined) this.counts.countUp();
    const sources = sourcesOf(query).map((source) => this.#rows(query, source));
    const isBefore = ([a]: SequenceAndJson, [b]: SequenceAndJson) => a < b === (order === 'asc');
    const found: StoredEvent[] = [];
    let bytes = 0;
    for (const [sequence, json] of sources.length === 1 ? sources[0]! : merged(sources, isBefore)) {
      found.push({ sequence, json });
      bytes += json.length;
      if (found.length === limit || bytes >= most) break;
    }
    return found;
  }

  async positions(group: string, topic: string): Promise<PartitionPosition[]> {
    const rows = onFile(() => this.#positions.all(group, topic));
    // The state that a claim would find.
    const areGone = onFile(() => this.#areEventsGone());
    return rows.map((row) => ({ ...row, offset: areGone ? null : row.offset }));
  }

  async deadLetters(group: string, query: DeadLetterQuery): Promise<DeadLetter[]> {
    const { before = Number.MAX_SAFE_INTEGER, ids, key, reason, waiting, limit } = query;
    // Only the conditions asked for: with others, true for every row, SQLite would not use its indexes.
    const values: Record<string, string | number | Uint8Array> = { group, before, limit };
    let text = DEAD_LETTERS;
    const add = (condition: string, value: object = {}) => {
      text += ` and ${condition}`;
      Object.assign(values, value);
    };
    if (ids) add('seq in (select value from json_each(:ids))', { ids: JSON.stringify(ids) });
    if (key) add('event_key = :key', { key: keyBytes(key) });
    if (reason) add('reason = :reason', { reason });
    if (waiting) add('redriven_at is null');
    const rows = onFile(() =>
      prepareQuery<DeadLetterRow>(this.#file.db, `${text} order by seq desc limit :limit`).all(values),
    );
    return rows.map((row) => ({
      ...row,
      key: row.key && keyText(row.key),
      deadLetteredAt: new Date(row.deadLetteredAt),
      redrivenAt: row.redrivenAt === null ? null : new Date(row.redrivenAt),
    }));
  }

  async countWaiting(group: string): Promise<Map<string, number>> {
    const rows = onFile(() => this.#waiting.all(group));
    return new Map(rows.map(({ reason, letters }) => [reason, letters]));
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
    { order, after, upTo, limit }: ReadQuery,
    { from, values }: Source,
  ): IterableIterator<SequenceAndJson> {
    const statement = prepareArrayQuery<SequenceAndJson>(
      this.#file.db,
      `select seq, json from ${from} seq > ? and seq <= ? order by seq ${order} limit ?`,
    );
    return statement.iterate(...values, after, upTo, limit);
  }
}

interface Source {
  /** The statement up to the condition of the range. */
  from: string;
  values: (string | number)[];
}

/** Each in the order of an index. */
function sourcesOf({ userId, eventTypes, times }: ReadQuery): Source[] {
  if (userId !== undefined) {
    return [
      { from: 'user_events join events using (seq) where user_events.user_id = ? and', values: [userId] },
    ];
  }
  if (eventTypes !== undefined) {
    return eventTypes.map((type) => ({ from: 'events where event_type = ? and', values: [type] }));
  }
  if (times === undefined) return [{ from: 'events where', values: [] }];
  const from = `events where happened_at / ${HOUR_MS} = ? and happened_at >= ? and happened_at < ? and`;
  return hoursOf(times).map((hour) => ({ from, values: [hour, times.from, times.to] }));
}

type SequenceAndJson = [sequence: number, json: string];
