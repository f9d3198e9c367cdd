import {
  type BatchOutcome,
  Fenced,
  HOURS_A_DAY,
  isSameEvent,
  type StoreBatch,
  type StoredEvent,
  TIMESTAMP_MEMBER,
} from './event-store.ts';
import { bigints, integers, texts, uuids } from './postgres-arrays.ts';
import type { Database } from './postgres-client.ts';

/**
 * The advisory locks (64 bits) of writers: this in the upper 16 bits, below it a place that all they store comes after.
 * Held from before they get their first place until what they stored can be seen.
 */
export const WRITER_LOCKS = 0x0f00;
const PLACES_BITS = 48;
/** The last place that was given out. */
export const LAST_PLACE = 'select last_value - (not is_called)::integer as place from events_seq_seq';

/** An event without what two of one key may differ in. */
const COMPARED = (alias: string) => `regexp_replace(${alias}.json, '${TIMESTAMP_MEMBER}', '')`;

/**
 * One round trip and one transaction. The position row is locked first, so that a claim and a batch of the same
 * partition, or two batches of it, never run at the same time; every other part depends on having got it.
 */
const PROCESS = `
with held as (
  select pg_advisory_xact_lock_shared((${WRITER_LOCKS}::bigint << ${PLACES_BITS}) | (${LAST_PLACE}))
  from positions
  where consumer_group = $1 and topic = $2 and topic_id = $3 and partition = $4
    and epoch = $5 and next_offset is not distinct from $6
  for update
), given as (
  select e.* from held, unnest($8::uuid[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[],
    $14::integer[], $15::integer[]) with ordinality
    as e (event_key, user_id, event_type, json, "offset", hour, duplicates, conflicts, at)
), inserted as (
  insert into events (event_key, user_id, event_type, json, partition, "offset", hour, stored_at, duplicates, conflicts)
  select event_key, user_id, event_type, json, $4, "offset", hour, now(), duplicates, conflicts from given order by at
  on conflict (event_key) do nothing
  returning event_key, seq
), repeated as (
  -- What was inserted above is not seen here, and nothing is looked for when all of it was.
  select e.event_key, count(*) as duplicates, count(*) filter (where ${COMPARED('r')} <> ${COMPARED('e')}) as conflicts
  from (
    select event_key, json from given union all select again.* from held, unnest($16::uuid[], $17::text[]) as again
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
  from held, unnest($18::bigint[], $19::text[], $20::text[], $21::integer[], $22::timestamptz[], $23::integer[],
    $24::bigint[], $25::uuid[]) as d
  on conflict do nothing
), pending as (
  insert into pending_values (seq, dimension, day, value, events)
  select (select max(seq) from inserted), m.dimension, m.day, m.value, count(*)
  from unnest($26::uuid[], $27::text[], $28::integer[], $29::text[]) as m (event_key, dimension, day, value)
  -- Not as a join: of arrays the planner thinks that they are small, and would compare each with each.
  where (event_key in (select event_key from inserted)) is true group by m.dimension, m.day, m.value
), moved as (
  update positions set
    next_offset = $7,
    stored = stored + (select count(*) from inserted),
    duplicates = duplicates + cardinality($8::uuid[]) + cardinality($16::uuid[]) - (select count(*) from inserted),
    dead_lettered = dead_lettered + cardinality($18::bigint[]),
    start_offset = coalesce(start_offset, $30),
    without_record = without_record + $31,
    lost = lost + $32
  from held
  where consumer_group = $1 and topic = $2 and topic_id = $3 and partition = $4
  returning 1
)
select exists (select 1 from moved) as moved,
  case when (select count(*) from inserted) < cardinality($8::uuid[])
    then array(select event_key::text from inserted) end as stored,
  (select coalesce(sum(conflicts), 0)::integer from repeated) as conflicts`;

/** @throws Fenced */
export async function processBatch(database: Database, batch: StoreBatch): Promise<BatchOutcome> {
  const { group, topic, topicId, partition, epoch, fromOffset, nextOffset, events, deadLetters } = batch;
  const { distinct, again } = withoutRepeats(events);
  // If we die before the answer: the batch is stored with its position or not at all. Either way the next
  // claim says where to go on.
  const rows = await database.query<ProcessRow>(PROCESS, [
    ...[group, topic, topicId, partition, epoch, fromOffset, nextOffset],
    ...eventColumns(distinct, again),
    ...[uuids(again.map(({ key }) => key)), texts(again.map(({ json }) => json))],
    ...columns(deadLetters, ['offset', 'reason', 'detail', 'attempt', 'setAsideAt']),
    ...columns(deadLetters, ['deadLetterPartition', 'deadLetterOffset', 'key']),
    ...valueColumns(distinct),
    ...[batch.startOffset, batch.withoutRecord, batch.lost],
  ]);
  const { moved, stored, conflicts } = rows[0]!;
  if (!moved) throw new Fenced(batch);
  const inserted = new Set(stored ?? distinct.map(({ key }) => key));
  const within = again.reduce(
    (sum, { key, isConflict }) => sum + (inserted.has(key) && isConflict ? 1 : 0),
    0,
  );
  return {
    // Deleting makes the second of two equal keys in one batch the duplicate it is.
    stored: events.map(({ key }) => inserted.delete(key)),
    conflicts: conflicts + within,
  };
}

interface ProcessRow {
  moved: boolean;
  /** Null: all of them. */
  stored: string[] | null;
  conflicts: number;
}

/** One array for each column, as `unnest` wants them. */
function columns<T>(rows: readonly T[], names: readonly (keyof T)[]): unknown[][] {
  return names.map((name) => rows.map((row) => row[name]));
}

function eventColumns(distinct: readonly StoredEvent[], again: readonly Repeat[]): Buffer[] {
  const repeats = Map.groupBy(again, ({ key }) => key);
  const of = ({ key }: StoredEvent) => repeats.get(key) ?? [];
  return [
    uuids(distinct.map(({ key }) => key)),
    texts(distinct.map(({ userId }) => userId)),
    texts(distinct.map(({ eventType }) => eventType)),
    texts(distinct.map(({ json }) => json)),
    bigints(distinct.map(({ offset }) => offset)),
    bigints(distinct.map(({ hour }) => hour)),
    integers(distinct.map((event) => of(event).length)),
    integers(distinct.map((event) => of(event).filter(({ isConflict }) => isConflict).length)),
  ];
}

/** The counted values of payloads: key of the event, dimension, day, value. */
function valueColumns(events: readonly StoredEvent[]): Buffer[] {
  const keys: string[] = [];
  const dimensions: string[] = [];
  const days: number[] = [];
  const values: string[] = [];
  for (const { key, hour, counted } of events) {
    for (const [dimension, value] of counted) {
      keys.push(key);
      dimensions.push(dimension);
      days.push(Math.floor(hour / HOURS_A_DAY));
      values.push(value);
    }
  }
  return [uuids(keys), texts(dimensions), integers(days), texts(values)];
}

/** An event whose key came before in the same batch. */
type Repeat = StoredEvent & { isConflict: boolean };

function withoutRepeats(events: readonly StoredEvent[]): { distinct: StoredEvent[]; again: Repeat[] } {
  const first = new Map<string, StoredEvent>();
  const again: Repeat[] = [];
  for (const event of events) {
    const known = first.get(event.key);
    if (known === undefined) first.set(event.key, event);
    else again.push({ ...event, isConflict: !isSameEvent(known.json, event.json) });
  }
  return { distinct: [...first.values()], again };
}
