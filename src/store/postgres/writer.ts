import { encodeLandmarks } from '../../log/landmarks.ts';
import {
  type EventToStore,
  FencedError,
  HOURS_A_DAY,
  isSameEvent,
  type StoreBatch,
  type StoreOutcome,
  TIMESTAMP_MEMBER,
} from '../event-store.ts';
import { EVENTS_ARE_GONE } from '../position-sql.ts';
import { bigints, integers, texts, uuids } from './arrays.ts';
import type { Database } from './client.ts';
import { LOCK_AS_WRITER, SEQUENCE_IS_BEHIND } from './writer-locks.ts';

/** An event without the members in which two events of one key may differ. */
const COMPARED = (alias: string) => `regexp_replace(${alias}.json, '${TIMESTAMP_MEMBER}', '')`;

/**
 * One round trip and one transaction. The position rows are locked first, so that a claim and a batch of the same
 * partition, or two batches of it, never run at the same time; every other part requires that all rows were locked.
 */
const PROCESS = `
with batches as (
  select * from unnest($4::integer[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
    $11::bigint[], $12::bigint[], $38::bigint[], $39::bigint[], $40::text[], $43::bigint[]) as b (partition, epoch, from_offset,
    next_offset, events, dead_letters, start_offset, without_record, lost, from_rewound, rewound, landmarks, expired)
), held as (
  select p.partition, ${LOCK_AS_WRITER}
  from positions p join batches b on p.partition = b.partition
  where p.consumer_group = $1 and p.topic = $2 and p.topic_id = $3
    and p.epoch = b.epoch and p.next_offset is not distinct from b.from_offset
    and p.rewound = b.from_rewound
    -- The first event in tables that were emptied would hide that those before it are gone.
    and not (${EVENTS_ARE_GONE})
    and (${SEQUENCE_IS_BEHIND}) is not true
  order by p.partition for update of p
), all_held as (
  select from held having count(*) = cardinality($4::integer[])
), gone as materialized (
  -- Nobody adds keys while the claims hold: see retention.ts.
  select o.event_key, o.partition from all_held, (
    select * from unnest($13::uuid[], $17::integer[]) as first
    union all select * from unnest($22::uuid[], $42::integer[]) as again
  ) as o (event_key, partition)
  -- One by one: joined, all of the table would be read until the planner knows how large it is.
  cross join lateral (select from gone_events g where g.event_key = o.event_key limit 1) as g
), given as (
  select e.* from all_held, unnest($13::uuid[], $14::text[], $15::text[], $16::text[], $17::integer[], $18::bigint[],
    $19::bigint[], $20::integer[], $21::integer[], $41::bigint[]) with ordinality
    as e (event_key, user_id, event_type, json, partition, "offset", hour, duplicates, conflicts, happened_at, at)
  where not exists (select from gone where gone.event_key = e.event_key)
), inserted as (
  insert into events (event_key, user_id, event_type, json, partition, "offset", hour, happened_at, stored_at, duplicates, conflicts)
  select event_key, user_id, event_type, json, partition, "offset", hour, happened_at, now(), duplicates, conflicts
  from given order by at
  on conflict (event_key) do nothing
  returning event_key, seq, partition
), repeated as (
  -- What was inserted above is not seen here, and nothing is looked for when all of it was.
  select e.event_key, count(*) as duplicates, count(*) filter (where ${COMPARED('r')} <> ${COMPARED('e')}) as conflicts
  from (
    select event_key, json from given
    union all select a.* from all_held, unnest($22::uuid[], $23::text[]) as a (event_key, json)
    where not exists (select from gone where gone.event_key = a.event_key)
  ) as r (event_key, json) join events e on e.event_key = r.event_key
  where (select count(*) from inserted) < cardinality($13::uuid[])
  group by e.event_key
), noted as (
  update events e set duplicates = e.duplicates + r.duplicates, conflicts = e.conflicts + r.conflicts
  from repeated r where e.event_key = r.event_key
), set_aside as (
  insert into dead_letters (consumer_group, topic, topic_id, partition, "offset", digest, reason, detail, attempt,
    set_aside_at, dlt_partition, dlt_offset, event_key)
  select $1, $2, $3, d.*
  from all_held, unnest($24::integer[], $25::bigint[], $26::text[], $27::text[], $28::text[], $29::integer[],
    $30::timestamptz[], $31::integer[], $32::bigint[], $33::uuid[]) as d
  on conflict (consumer_group, topic_id, partition, "offset", digest) do update
    set dlt_partition = excluded.dlt_partition, dlt_offset = excluded.dlt_offset
), pending as (
  insert into pending_values (seq, dimension, day, value, events)
  select (select max(seq) from inserted), m.dimension, m.day, m.value, count(*)
  from unnest($34::uuid[], $35::text[], $36::integer[], $37::text[]) as m (event_key, dimension, day, value)
  -- Not as a join: of arrays the planner thinks that they are small, and would compare each with each.
  where (event_key in (select event_key from inserted)) is true group by m.dimension, m.day, m.value
), moved as (
  update positions p set
    next_offset = b.next_offset,
    stored = p.stored + coalesce(i.events, 0),
    duplicates = p.duplicates + b.events - coalesce(i.events, 0) - coalesce(g.events, 0),
    dead_lettered = p.dead_lettered + b.dead_letters,
    start_offset = coalesce(p.start_offset, b.start_offset),
    without_record = p.without_record + b.without_record,
    expired = p.expired + b.expired + coalesce(g.events, 0),
    lost = p.lost + b.lost,
    rewound = p.rewound + b.rewound,
    landmarks = b.landmarks
  from all_held, batches b
    left join (select partition, count(*) as events from inserted group by partition) i on i.partition = b.partition
    left join (select partition, count(*) as events from gone group by partition) g on g.partition = b.partition
  where p.consumer_group = $1 and p.topic = $2 and p.topic_id = $3 and p.partition = b.partition
)
select array(select partition from held) as held,
  case when (select count(*) from inserted) < cardinality($13::uuid[])
    then array(select event_key::text from inserted) end as stored,
  (select coalesce(sum(conflicts), 0)::integer from repeated) as conflicts,
  array(select event_key::text from gone) as expired`;

/** @throws FencedError */
export async function processBatches(
  database: Database,
  batches: readonly StoreBatch[],
): Promise<StoreOutcome> {
  const { group, topic, topicId } = batches[0]!;
  const parted = withoutRepeats(batches);
  const { distinct, again } = parted;
  // If we die before the answer: the batches are stored with their positions or not at all. Either way the next
  // claims say where to continue.
  const [row] = await database.prepared<ProcessRow>('process', PROCESS, [
    group,
    topic,
    topicId,
    ...positionColumns(batches),
    ...eventColumns(parted),
    uuids(again.map(({ key }) => key)),
    texts(again.map(({ json }) => json)),
    ...deadLetterColumns(batches),
    ...valueColumns(distinct),
    batches.map(({ fromRewound }) => fromRewound),
    batches.map(({ rewound }) => rewound),
    texts(batches.map(({ landmarks }) => encodeLandmarks(landmarks))),
    bigints(distinct.map(({ time }) => time)),
    integers(again.map(({ partition }) => partition)),
    batches.map(({ expired }) => expired),
  ]);
  const { held, stored, conflicts, expired } = row!;
  const lost = batches.find(({ partition }) => !held.includes(partition));
  if (lost !== undefined) throw new FencedError(lost);
  const inserted = new Set(stored ?? distinct.map(({ key }) => key));
  const within = again.reduce(
    (sum, { key, isConflict }) => sum + (inserted.has(key) && isConflict ? 1 : 0),
    0,
  );
  return {
    // Deleting the key makes the second of two equal ones a duplicate.
    stored: batches.map(({ events }) => events.map(({ key }) => inserted.delete(key))),
    conflicts: conflicts + within,
    expired,
  };
}

interface ProcessRow {
  /** The partitions whose positions were as expected. */
  held: number[];
  /** Keys of the events stored now; null: all. */
  stored: string[] | null;
  conflicts: number;
  /** Keys of removed events, as often as they came. */
  expired: string[];
}

function positionColumns(batches: readonly StoreBatch[]): unknown[][] {
  const fields = ['partition', 'epoch', 'fromOffset', 'nextOffset'] as const;
  return [
    ...columns(batches, fields),
    batches.map(({ events }) => events.length),
    batches.map(({ deadLetters }) => deadLetters.length),
    ...columns(batches, ['startOffset', 'withoutRecord', 'lost']),
  ];
}

function deadLetterColumns(batches: readonly StoreBatch[]): unknown[][] {
  const entries = batches.flatMap(({ partition, deadLetters }) =>
    deadLetters.map((entry) => ({ ...entry, partition })),
  );
  const first = ['partition', 'offset', 'digest', 'reason', 'detail', 'attempt', 'deadLetteredAt'] as const;
  return [
    ...columns(entries, first),
    ...columns(entries, ['deadLetterPartition', 'deadLetterOffset', 'key']),
  ];
}

/** One array per column, as `unnest` needs them. */
function columns<T>(rows: readonly T[], names: readonly (keyof T)[]): unknown[][] {
  return names.map((name) => rows.map((row) => row[name]));
}

function eventColumns({ distinct, partitions, again }: SplitEvents): Buffer[] {
  const repeats = Map.groupBy(again, ({ key }) => key);
  const of = ({ key }: EventToStore) => repeats.get(key) ?? [];
  return [
    uuids(distinct.map(({ key }) => key)),
    texts(distinct.map(({ userId }) => userId)),
    texts(distinct.map(({ eventType }) => eventType)),
    texts(distinct.map(({ json }) => json)),
    integers(partitions),
    bigints(distinct.map(({ offset }) => offset)),
    bigints(distinct.map(({ hour }) => hour)),
    integers(distinct.map((event) => of(event).length)),
    integers(distinct.map((event) => of(event).filter(({ isConflict }) => isConflict).length)),
  ];
}

/** The counted payload values: key of the event, dimension, day, value. */
function valueColumns(events: readonly EventToStore[]): Buffer[] {
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

/** An event whose key was seen before, in the same batch or another. */
type Repeat = EventToStore & { isConflict: boolean; partition: number };

/** The events of batches: those with new keys, and duplicates. */
interface SplitEvents {
  distinct: EventToStore[];
  /** The partition of each of `distinct`. */
  partitions: number[];
  again: Repeat[];
}

function withoutRepeats(batches: readonly StoreBatch[]): SplitEvents {
  const first = new Map<string, EventToStore>();
  const partitions: number[] = [];
  const again: Repeat[] = [];
  for (const { partition, events } of batches) {
    for (const event of events) {
      const known = first.get(event.key);
      if (known === undefined) {
        first.set(event.key, event);
        partitions.push(partition);
      } else again.push({ ...event, partition, isConflict: !isSameEvent(known.json, event.json) });
    }
  }
  return { distinct: [...first.values()], partitions, again };
}
