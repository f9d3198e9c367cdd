import type { Pool } from 'pg';
import { withDeadline } from '../deadline.ts';
import type { Logger } from '../logger.ts';
import {
  type BatchOutcome,
  type Claim,
  type DeadLetter,
  type DeadLetterQuery,
  type EventRecord,
  type EventStore,
  Fenced,
  isSameEvent,
  type PartitionPosition,
  type StoreBatch,
  type StoredEvent,
  TIMESTAMP_MEMBER,
  type TopicRef,
} from './event-store.ts';
import { createPool, migrate } from './postgres-client.ts';

const PAGE_SIZE = 1000;

/** An event without what two of one key may differ in. */
const COMPARED = (alias: string) => `regexp_replace(${alias}.json, '${TIMESTAMP_MEMBER}', '')`;

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
), given as (
  select e.* from held, unnest($8::uuid[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::integer[],
    $14::integer[]) with ordinality as e (event_key, user_id, event_type, json, "offset", duplicates, conflicts, at)
), inserted as (
  insert into events (event_key, user_id, event_type, json, partition, "offset", stored_at, duplicates, conflicts)
  select event_key, user_id, event_type, json, $4, "offset", now(), duplicates, conflicts from given order by at
  on conflict (event_key) do nothing
  returning event_key
), repeated as (
  -- What was inserted above is not seen here, and nothing is looked for when all of it was.
  select e.event_key, count(*) as duplicates, count(*) filter (where ${COMPARED('r')} <> ${COMPARED('e')}) as conflicts
  from (
    select event_key, json from given union all select again.* from held, unnest($15::uuid[], $16::text[]) as again
  ) as r (event_key, json) join events e on e.event_key = r.event_key
  where (select count(*) from inserted) < cardinality($8::uuid[])
  group by e.event_key
), noted as (
  update events e set duplicates = e.duplicates + r.duplicates, conflicts = e.conflicts + r.conflicts
  from repeated r where e.event_key = r.event_key
), set_aside as (
  insert into dead_letters (consumer_group, topic, topic_id, partition, "offset", reason, detail, attempt, set_aside_at,
    dlt_partition, dlt_offset, event_key)
  select $1, $2, $3, $4, d.*
  from held, unnest($17::bigint[], $18::text[], $19::text[], $20::integer[], $21::timestamptz[], $22::integer[],
    $23::bigint[], $24::uuid[]) as d
  on conflict do nothing
), moved as (
  update positions set
    next_offset = $7,
    stored = stored + (select count(*) from inserted),
    duplicates = duplicates + cardinality($8::uuid[]) + cardinality($15::uuid[]) - (select count(*) from inserted),
    dead_lettered = dead_lettered + cardinality($17::bigint[]),
    start_offset = coalesce(start_offset, $25),
    without_record = without_record + $26,
    lost = lost + $27
  from held
  where consumer_group = $1 and topic = $2 and topic_id = $3 and partition = $4
  returning 1
)
select exists (select 1 from moved) as moved, array(select event_key::text from inserted) as stored,
  (select coalesce(sum(conflicts), 0)::integer from repeated) as conflicts`;

const CLAIM = `
insert into positions (consumer_group, topic, topic_id, partition, epoch)
select $1, $2, $3, partition, 1 from unnest($4::integer[]) as partition order by partition
on conflict (consumer_group, topic, topic_id, partition) do update set epoch = positions.epoch + 1
returning partition, epoch, next_offset,
  exists (select 1 from positions p where p.consumer_group = $1 and p.topic = $2 and p.topic_id <> $3) as other_topic`;

const DEAD_LETTERS = `
select seq as id, event_key as key, topic, partition, "offset", reason, detail, attempt, set_aside_at as "setAsideAt",
  redriven_at as "redrivenAt", dlt_partition as "deadLetterPartition", dlt_offset as "deadLetterOffset"
from dead_letters
where consumer_group = $1 and ($2::bigint is null or seq < $2) and ($3::bigint[] is null or seq = any($3))
  and ($4::text is null or reason = $4) and (not $5 or redriven_at is null)
  and ($7::uuid is null or event_key = $7)
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
    const { distinct, again } = withoutRepeats(events);
    const { rows } = await this.#pool.query<{ moved: boolean; stored: string[]; conflicts: number }>(
      PROCESS,
      [
        ...[group, topic, topicId, partition, epoch, fromOffset, nextOffset],
        ...columns(distinct, ['key', 'userId', 'eventType', 'json', 'offset', 'duplicates', 'conflicts']),
        ...columns(again, ['key', 'json']),
        ...columns(deadLetters, ['offset', 'reason', 'detail', 'attempt', 'setAsideAt']),
        ...columns(deadLetters, ['deadLetterPartition', 'deadLetterOffset', 'key']),
        ...[batch.startOffset, batch.withoutRecord, batch.lost],
      ],
    );
    const { moved, stored, conflicts } = rows[0]!;
    if (!moved) throw new Fenced(batch);
    const inserted = new Set(stored);
    const within = distinct.reduce((sum, one) => sum + (inserted.has(one.key) ? one.conflicts : 0), 0);
    return {
      // Deleting makes the second of two equal keys in one batch the duplicate it is.
      stored: events.map(({ key }) => inserted.delete(key)),
      conflicts: conflicts + within,
    };
  }

  async get(keys: readonly string[]): Promise<Map<string, EventRecord>> {
    await this.#ready();
    const { rows } = await this.#pool.query<EventRow>(
      `select event_key::text as key, json, partition, "offset", stored_at as "storedAt", duplicates, conflicts
       from events where event_key = any($1::uuid[])`,
      [keys],
    );
    return new Map(
      rows.map(({ key, offset, ...row }) => [
        key,
        { ...row, offset: offset === null ? null : Number(offset) },
      ]),
    );
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
    const { before = null, ids = null, key = null, reason = null, waiting = false, limit } = query;
    const { rows } = await this.#pool.query<DeadLetterRow>(DEAD_LETTERS, [
      group,
      before,
      ids,
      reason,
      waiting,
      limit,
      key,
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

type EventRow = Omit<EventRecord, 'offset'> & { key: string; offset: string | null };

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

/** One array for each column, as `unnest` wants them. */
function columns<T>(rows: readonly T[], names: readonly (keyof T)[]): unknown[][] {
  return names.map((name) => rows.map((row) => row[name]));
}

type DistinctEvent = StoredEvent & Pick<EventRecord, 'duplicates' | 'conflicts'>;

/** The first event of each key, with what comes again in the same batch counted; and what does. */
function withoutRepeats(events: readonly StoredEvent[]): { distinct: DistinctEvent[]; again: StoredEvent[] } {
  const first = new Map<string, DistinctEvent>();
  const again: StoredEvent[] = [];
  for (const event of events) {
    const known = first.get(event.key);
    if (known === undefined) first.set(event.key, { ...event, duplicates: 0, conflicts: 0 });
    else {
      again.push(event);
      known.duplicates++;
      if (!isSameEvent(known.json, event.json)) known.conflicts++;
    }
  }
  return { distinct: [...first.values()], again };
}
