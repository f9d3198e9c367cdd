import type { Pool } from 'pg';
import { withDeadline } from '../deadline.ts';
import type { Logger } from '../logger.ts';
import {
  type BatchOutcome,
  type Claim,
  type DeadLetter,
  type DeadLetterQuery,
  type EventStore,
  Fenced,
  type PartitionPosition,
  type StoreBatch,
  type TopicRef,
} from './event-store.ts';
import { createPool, migrate } from './postgres-client.ts';

const PAGE_SIZE = 1000;

/**
 * One round trip and one transaction. The position row is locked first, so that a claim and a batch of the same
 * partition, or two batches of it, never run at the same time; every other part depends on having got it.
 */
const PROCESS = `
with held as (
  select 1 from positions
  where consumer_group = $1 and topic = $2 and topic_id = $3 and partition = $4
    and epoch = $5 and next_offset is not distinct from $6
  for update
), inserted as (
  insert into events (event_key, user_id, event_type, json)
  select e.event_key, e.user_id, e.event_type, e.json
  from held, unnest($8::uuid[], $9::text[], $10::text[], $11::text[])
    with ordinality as e (event_key, user_id, event_type, json, at)
  order by e.at
  on conflict (event_key) do nothing
  returning event_key
), set_aside as (
  insert into dead_letters (consumer_group, topic, topic_id, partition, "offset", reason, detail, attempt, set_aside_at,
    dlt_partition, dlt_offset)
  select $1, $2, $3, $4, d.*
  from held, unnest($12::bigint[], $13::text[], $14::text[], $15::integer[], $16::timestamptz[], $17::integer[],
    $18::bigint[]) as d
  on conflict do nothing
), moved as (
  update positions set
    next_offset = $7,
    stored = stored + (select count(*) from inserted),
    duplicates = duplicates + cardinality($8::uuid[]) - (select count(*) from inserted),
    dead_lettered = dead_lettered + cardinality($12::bigint[]),
    start_offset = coalesce(start_offset, $19),
    without_record = without_record + $20,
    lost = lost + $21
  from held
  where consumer_group = $1 and topic = $2 and topic_id = $3 and partition = $4
  returning 1
)
select exists (select 1 from moved) as moved, array(select event_key::text from inserted) as stored`;

const CLAIM = `
insert into positions (consumer_group, topic, topic_id, partition, epoch)
select $1, $2, $3, partition, 1 from unnest($4::integer[]) as partition order by partition
on conflict (consumer_group, topic, topic_id, partition) do update set epoch = positions.epoch + 1
returning partition, epoch, next_offset,
  exists (select 1 from positions p where p.consumer_group = $1 and p.topic = $2 and p.topic_id <> $3) as other_topic`;

const DEAD_LETTERS = `
select seq as id, topic, partition, "offset", reason, detail, attempt, set_aside_at as "setAsideAt",
  redriven_at as "redrivenAt", dlt_partition as "deadLetterPartition", dlt_offset as "deadLetterOffset"
from dead_letters
where consumer_group = $1 and ($2::bigint is null or seq < $2) and ($3::bigint[] is null or seq = any($3))
  and ($4::text is null or reason = $4) and (not $5 or redriven_at is null)
order by seq desc limit $6`;

/** Keeps events in PostgreSQL; any number of instances may share it. Creates its tables when first used. */
export class PostgresStore implements EventStore {
  readonly #pool: Pool;
  readonly #url: string;
  readonly #logger: Logger;
  #migrated: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** Connects when first used, so that a start does not depend on PostgreSQL being there. */
  constructor(options: { url: string; poolSize: number }, logger: Logger) {
    this.#url = options.url;
    this.#logger = logger;
    this.#pool = createPool(options, logger);
  }

  async claim({ group, topic, topicId }: TopicRef, partitions: readonly number[]): Promise<Claim[]> {
    await this.#ready();
    const { rows } = await this.#pool.query<ClaimRow>(CLAIM, [group, topic, topicId, partitions]);
    const claims = new Map(rows.map((row) => [row.partition, row]));
    return partitions.map((partition) => {
      const { epoch, next_offset, other_topic } = claims.get(partition)!;
      const offset = next_offset === null ? null : Number(next_offset);
      return { epoch: Number(epoch), offset, topicRecreated: offset === null && other_topic };
    });
  }

  async process(batch: StoreBatch): Promise<BatchOutcome> {
    const { group, topic, topicId, partition, epoch, fromOffset, nextOffset, events, deadLetters } = batch;
    await this.#ready();
    // If we die before the answer: the batch is stored with its position or not at all. Either way the next
    // claim says where to go on.
    const { rows } = await this.#pool.query<{ moved: boolean; stored: string[] }>(PROCESS, [
      ...[group, topic, topicId, partition, epoch, fromOffset, nextOffset],
      ...[events.map(({ key }) => key), events.map(({ userId }) => userId)],
      ...[events.map(({ eventType }) => eventType), events.map(({ json }) => json)],
      ...[deadLetters.map(({ offset }) => offset), deadLetters.map(({ reason }) => reason)],
      ...[deadLetters.map(({ detail }) => detail), deadLetters.map(({ attempt }) => attempt)],
      ...[
        deadLetters.map((entry) => entry.setAsideAt),
        deadLetters.map((entry) => entry.deadLetterPartition),
      ],
      deadLetters.map((entry) => entry.deadLetterOffset),
      ...[batch.startOffset, batch.withoutRecord, batch.lost],
    ]);
    const { moved, stored } = rows[0]!;
    if (!moved) throw new Fenced(batch);
    const inserted = new Set(stored);
    // Deleting makes the second of two equal keys in one batch the duplicate it is.
    return { stored: events.map(({ key }) => inserted.delete(key)) };
  }

  async get(keys: readonly string[]): Promise<Map<string, string>> {
    await this.#ready();
    const { rows } = await this.#pool.query<{ key: string; json: string }>(
      'select event_key::text as key, json from events where event_key = any($1::uuid[])',
      [keys],
    );
    return new Map(rows.map(({ key, json }) => [key, json]));
  }

  async *readAll(): AsyncGenerator<string[]> {
    await this.#ready();
    const last = await this.#pool.query<{ seq: string | null }>('select max(seq) as seq from events');
    let seq = '0';
    while (last.rows[0]!.seq !== null) {
      const { rows } = await this.#pool.query<{ seq: string; json: string }>(
        'select seq, json from events where seq > $1 and seq <= $2 order by seq limit $3',
        [seq, last.rows[0]!.seq, PAGE_SIZE],
      );
      if (rows.length === 0) return;
      seq = rows.at(-1)!.seq;
      yield rows.map(({ json }) => json);
    }
  }

  async positions(group: string, topic: string): Promise<PartitionPosition[]> {
    await this.#ready();
    const { rows } = await this.#pool.query<PositionRow>(
      'select * from positions where consumer_group = $1 and topic = $2 order by topic_id, partition',
      [group, topic],
    );
    return rows.map((row) => ({
      topicId: row.topic_id,
      partition: row.partition,
      offset: row.next_offset === null ? null : Number(row.next_offset),
      stored: Number(row.stored),
      duplicates: Number(row.duplicates),
      deadLettered: Number(row.dead_lettered),
      startOffset: row.start_offset === null ? null : Number(row.start_offset),
      withoutRecord: Number(row.without_record),
      lost: Number(row.lost),
    }));
  }

  async deadLetters(group: string, query: DeadLetterQuery): Promise<DeadLetter[]> {
    await this.#ready();
    const { before = null, ids = null, reason = null, waiting = false, limit } = query;
    const { rows } = await this.#pool.query<DeadLetterRow>(DEAD_LETTERS, [
      group,
      before,
      ids,
      reason,
      waiting,
      limit,
    ]);
    return rows.map((row) => ({
      ...row,
      id: Number(row.id),
      offset: Number(row.offset),
      deadLetterOffset: Number(row.deadLetterOffset),
    }));
  }

  async markRedriven(group: string, ids: readonly number[], at: Date): Promise<void> {
    await this.#ready();
    await this.#pool.query(
      'update dead_letters set redriven_at = $3 where consumer_group = $1 and seq = any($2::bigint[])',
      [group, ids, at],
    );
  }

  async ping(timeoutMs: number): Promise<void> {
    await withDeadline(this.#probe(timeoutMs), timeoutMs, 'PostgreSQL');
  }

  close(): Promise<void> {
    this.#closing ??= this.#pool.end();
    return this.#closing;
  }

  async #probe(timeoutMs: number): Promise<void> {
    await this.#ready();
    // The driver's own limit, too: else a frozen server would keep one connection of the pool for each probe.
    await this.#pool.query({ text: 'select 1', query_timeout: timeoutMs } as { text: string });
  }

  /** Migrates once; tried again at the next need after a failure. */
  #ready(): Promise<void> {
    this.#migrated ??= migrate(this.#pool, this.#url, this.#logger).catch((error) => {
      this.#migrated = undefined;
      throw error;
    });
    return this.#migrated;
  }
}

interface ClaimRow {
  partition: number;
  epoch: string;
  next_offset: string | null;
  other_topic: boolean;
}

/** int8 comes as text. */
type DeadLetterRow = {
  [K in keyof DeadLetter]: K extends 'id' | 'offset' | 'deadLetterOffset' ? string : DeadLetter[K];
};

interface PositionRow {
  topic_id: string;
  partition: number;
  next_offset: string | null;
  stored: string;
  duplicates: string;
  dead_lettered: string;
  start_offset: string | null;
  without_record: string;
  lost: string;
}
