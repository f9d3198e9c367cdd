import { decodeLandmarks } from '../../log/landmarks.ts';
import {
  checkWritable,
  inTransaction,
  migrateSqlite,
  type SqliteFile,
  type StatementSync,
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
  type TopicRef,
  type Watermarks,
} from '../event-store.ts';
import { EVENTS_ARE_GONE, FORGET_EVENTS, RECLAIM } from '../position-sql.ts';
import { SqliteCounts } from './counts.ts';
import { onFile } from './errors.ts';
import { STORE_SCHEMA } from './schema.ts';
import { keyBytes, SqliteWriter } from './writer.ts';

/** Keeps events in a SQLite file. Synchronous inside, so a batch is one uninterrupted transaction. */
export class SqliteStore implements EventStore {
  readonly storeId = '';
  readonly counts: SqliteCounts;
  readonly #file: SqliteFile;
  readonly #writer: SqliteWriter;
  readonly #claim: StatementSync;
  readonly #earlierTopic: StatementSync;
  readonly #otherTopics: StatementSync;
  readonly #deadLetters: StatementSync;
  readonly #get: StatementSync;

  /** @param file stays open after `close`: it belongs to whoever opened it */
  constructor(file: SqliteFile) {
    const { db } = file;
    this.#file = file;
    migrateSqlite(db, 'store', STORE_SCHEMA);
    this.#claim = db.prepare(
      `insert into positions (consumer_group, topic, topic_id, partition, epoch) values (?, ?, ?, ?, 1)
       on conflict do update set ${RECLAIM('max')} returning epoch, next_offset, rewound, landmarks`,
    );
    this.#otherTopics = db.prepare('select distinct topic from positions where topic <> ? and stored > 0');
    this.#earlierTopic = db.prepare(
      'select 1 from positions where consumer_group = ? and topic = ? and topic_id <> ? limit 1',
    );
    this.#deadLetters = db.prepare(
      `select * from dead_letters where consumer_group = ? and (? is null or seq < ?)
         and (? is null or seq in (select value from json_each(?)))
         and (? is null or event_key = ?) and (? is null or reason = ?) and (? = 0 or redriven_at is null)
       order by seq desc limit ?`,
    );
    this.#get = db.prepare('select * from events where event_key = ?');
    this.counts = new SqliteCounts(db);
    this.#writer = new SqliteWriter(db, this.counts);
  }

  async claim({ group, topic, topicId }: TopicRef, partitions: readonly number[]): Promise<Claim[]> {
    const claimOne = (partition: number, otherTopics: string[]): Claim => {
      const row = this.#claim.get(group, topic, topicId, partition)!;
      const offset = row.next_offset as number | null;
      const topicRecreated = offset === null && this.#earlierTopic.get(group, topic, topicId) !== undefined;
      const landmarks = decodeLandmarks(row.landmarks as string);
      const { epoch, rewound } = row as Record<string, number>;
      return { epoch: epoch!, offset, rewound: rewound!, topicRecreated, landmarks, otherTopics };
    };
    return onFile(() =>
      inTransaction(this.#file.db, () => {
        if (this.#eventsAreGone()) {
          for (const statement of [...FORGET_EVENTS, 'delete from user_events'])
            this.#file.db.exec(statement);
        }
        const otherTopics = this.#otherTopics.all(topic).map((row) => row.topic as string);
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
      if (row !== undefined) found.set(key, toEventRecord(row));
    }
    return found;
  }

  async watermarks(): Promise<Watermarks> {
    // One writer, whose transactions come one after the other.
    const latest = onFile(
      () => this.#file.db.prepare('select max(seq) as seq from events').get()!.seq as number | null,
    );
    return { latest: latest ?? 0, stable: latest ?? 0 };
  }

  async read(selection: ReadQuery): Promise<StoredEvent[]> {
    return onFile(() => this.#read(selection));
  }

  #read(selection: ReadQuery): StoredEvent[] {
    const { order, limit, bytes: most = READ_BYTES, userId, eventTypes } = selection;
    // Where the events of users are is known up to where they are counted.
    if (userId !== undefined) this.counts.countUp();
    const sources = eventTypes?.map((type) => this.#rows(selection, type)) ?? [this.#rows(selection)];
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
    const sql = 'select * from positions where consumer_group = ? and topic = ? order by topic_id, partition';
    // What a claim would find.
    const areGone = onFile(() => this.#eventsAreGone());
    return onFile(() => this.#file.db.prepare(sql).all(group, topic)).map((row) => ({
      topicId: row.topic_id as string,
      partition: row.partition as number,
      epoch: row.epoch as number,
      offset: areGone ? null : (row.next_offset as number | null),
      stored: row.stored as number,
      duplicates: row.duplicates as number,
      deadLettered: row.dead_lettered as number,
      startOffset: row.start_offset as number | null,
      withoutRecord: row.without_record as number,
      lost: row.lost as number,
      rewound: row.rewound as number,
    }));
  }

  async deadLetters(group: string, query: DeadLetterQuery): Promise<DeadLetter[]> {
    const { before = null, ids, key, reason = null, waiting = false, limit } = query;
    const eventKey = key === undefined ? null : keyBytes(key);
    const rows = onFile(() =>
      this.#deadLetters.all(
        ...[group, before, before, ids === undefined ? null : JSON.stringify(ids), JSON.stringify(ids ?? [])],
        ...[eventKey, eventKey, reason, reason, waiting ? 1 : 0, limit],
      ),
    );
    return rows.map(toDeadLetter);
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

  #eventsAreGone(): boolean {
    return this.#file.db.prepare(`select ${EVENTS_ARE_GONE} as gone`).get()!.gone === 1;
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
    const statement = this.#file.db.prepare(
      `select seq, json from ${from} seq > ? and seq <= ? order by seq ${order} limit ?`,
    );
    statement.setReturnArrays(true);
    const values = [...(value === undefined ? [] : [value]), after, upTo, limit];
    return statement.iterate(...values) as unknown as IterableIterator<SequenceAndJson>;
  }
}

/** An event as an array: an object for each row takes twice as long. */
type SequenceAndJson = [sequence: number, json: string];

/** Rows of sources that are each in order, in order. */
function* merged(
  sources: readonly Iterator<SequenceAndJson>[],
  order: 'asc' | 'desc',
): Generator<SequenceAndJson> {
  const heads = sources.map((source) => ({ source, row: nextRow(source) }));
  const isBefore = ([a]: SequenceAndJson, [b]: SequenceAndJson) => a < b === (order === 'asc');
  for (;;) {
    let first: (typeof heads)[number] | undefined;
    for (const head of heads) {
      if (head.row && (first?.row === undefined || isBefore(head.row, first.row))) first = head;
    }
    if (first?.row === undefined) return;
    yield first.row;
    first.row = nextRow(first.source);
  }
}

function nextRow(rows: Iterator<SequenceAndJson>): SequenceAndJson | undefined {
  const { done, value } = rows.next();
  return done ? undefined : value;
}

type Row = ReturnType<StatementSync['all']>[number];

function toEventRecord(row: Row): EventRecord {
  return {
    json: row.json as string,
    partition: row.partition as number | null,
    offset: row.offset as number | null,
    storedAt: row.stored_at === null ? null : new Date(row.stored_at as number),
    duplicates: row.duplicates as number,
    conflicts: row.conflicts as number,
  };
}

function toDeadLetter(row: Row): DeadLetter {
  return {
    id: row.seq as number,
    key: row.event_key === null ? null : keyText(row.event_key as Uint8Array),
    topic: row.topic as string,
    partition: row.partition as number,
    offset: row.offset as number,
    reason: row.reason as string,
    detail: row.detail as string,
    attempt: row.attempt as number,
    deadLetteredAt: new Date(row.set_aside_at as string),
    redrivenAt: row.redriven_at === null ? null : new Date(row.redriven_at as string),
    deadLetterPartition: row.dlt_partition as number,
    deadLetterOffset: row.dlt_offset as number,
  };
}

function keyText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
