import {
  type DeadLetter,
  type DeadLetterQuery,
  type EventRecord,
  HOUR_MS,
  hoursOf,
  READ_BYTES,
  type ReadQuery,
  type StoredEvent,
  StoreUnavailableError,
  type Watermarks,
} from '../event-store.ts';
import type { Database } from './client.ts';
import { inIndex } from './ranges.ts';
import type { Reader } from './replica.ts';
import { IS_REPLICA, LAST_SEQUENCE, sequenceOf, WRITERS } from './writer-locks.ts';

/** Milliseconds since 1970: a timestamp would come as text in the style that the database or the role prefers. */
const MS = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/** 64-bit numbers come as text. */
export type AsText<T, Names extends keyof T> = { [K in keyof T]: K extends Names ? string : T[K] };

/**
 * Reads the last sequence given out first, and the active writers after it: a writer that is no longer active has stored
 * what it was given. Each statement sees what was stored before it began.
 */
const WATERMARKS = [
  LAST_SEQUENCE,
  WRITERS,
  'select greatest(max(seq), (select seq from counted_up_to where removed > 0)) as sequence from events',
];

/** @throws StoreUnavailableError also if the server is a replica */
export async function watermarks(database: Database): Promise<Watermarks> {
  const [given, writers, latest] = (await database.sequence(WATERMARKS)) as [
    [{ sequence: string; isReplica: boolean }],
    [{ locks: string[] | null }],
    [{ sequence: string | null }],
  ];
  if (given[0].isReplica) throw new StoreUnavailableError(IS_REPLICA);
  const last = Number(given[0].sequence);
  const atWork = (writers[0].locks ?? []).map((lock) => sequenceOf(lock, last));
  return { latest: Number(latest[0].sequence ?? 0), stable: Math.min(last, ...atWork) };
}

/** As the index has it. */
const IN_HOUR = `happened_at / ${HOUR_MS}`;
/**
 * Of an hour, for the page that begins or ends within it. As no index has it: by the index of times, PostgreSQL would read all
 * of the hour, and sort it, since it expects few events to be both in the hour and at these times.
 */
const AT_TIMES = 'happened_at + 0 >= $5 and happened_at + 0 < $6';

export async function read(
  reader: Reader,
  { order, after, upTo, limit, bytes = READ_BYTES, userId, eventTypes, times }: ReadQuery,
): Promise<StoredEvent[]> {
  // Only the bound where reading starts uses the index. Given both ends, the planner expects a small range until the
  // table has been analysed, and sorts all of it.
  const [begins, ends] = order === 'asc' ? ['seq > $1', 'seq <= $2'] : ['seq <= $2', 'seq > $1'];
  const inOrder = `${begins} order by seq ${order} limit $3`;
  // One index range per type, and per hour: for all of them together the database would sort every event there is.
  const rows = userId
    ? selectOf('user_id', '$5', order)
    : eventTypes
      ? `select of_type.* from unnest($5::text[]) as type
         cross join lateral (${selectOf('event_type', 'type', order)}) as of_type order by seq ${order} limit $3`
      : times
        ? `select * from (${hoursOf(times)
            .map(
              (hour) =>
                `(select seq, json from events where ${IN_HOUR} = ${hour} and ${AT_TIMES} and ${inOrder})`,
            )
            .join(' union all ')}) as of_hours order by seq ${order} limit $3`
        : `select seq, json from events where ${inOrder}`;
  const filter = userId ?? eventTypes;
  const selected = filter === undefined ? [] : [filter];
  const found = await reader.query<AsText<StoredEvent, 'sequence'>>(
    `select seq as sequence, json from (
       select seq, json, sum(octet_length(json)) over (order by seq ${order} rows unbounded preceding)
         - octet_length(json) as before
       from (${rows}) as rows
     ) as measured where before < $4 and ${ends} order by seq ${order}`,
    [after, upTo, limit, bytes, ...(times ? [times.from, times.to] : selected)],
  );
  return found.map(({ sequence, json }) => ({ sequence: Number(sequence), json }));
}

function selectOf(column: 'user_id' | 'event_type', value: string, order: 'asc' | 'desc'): string {
  const ends = { from: `${value}, $1::bigint + 1`, to: `${value}, $2::bigint` };
  return `select seq, json from (
    select seq, json, ${column} as value from events ${inIndex([column, 'seq'], order, ends)} limit $3
  ) as found where value = ${value}`;
}

export async function get(database: Database, keys: readonly string[]): Promise<Map<string, EventRecord>> {
  const rows = await database.query<
    Omit<EventRecord, 'offset' | 'storedAt'> & { key: string; offset: string | null; storedAt: number | null }
  >(
    `select event_key::text as key, json, partition, "offset", ${MS('stored_at')} as "storedAt", duplicates, conflicts
     from events where event_key = any($1::uuid[])`,
    [keys],
  );
  return new Map(
    rows.map(({ key, offset, storedAt, ...row }) => [
      key,
      { ...row, offset: offset === null ? null : Number(offset), storedAt: dateOf(storedAt) },
    ]),
  );
}

const DEAD_LETTERS = `
select seq as id, event_key as key, topic, partition, "offset", reason, detail, attempt, ${MS('set_aside_at')} as "deadLetteredAt",
  ${MS('redriven_at')} as "redrivenAt", dlt_partition as "deadLetterPartition", dlt_offset as "deadLetterOffset"`;

export async function deadLetters(
  database: Database,
  group: string,
  query: DeadLetterQuery,
): Promise<DeadLetter[]> {
  const { before = Number.MAX_SAFE_INTEGER, ids, key, reason, waiting, limit } = query;
  const values: unknown[] = [group, before, limit];
  const given = (value: unknown, type: string) => `$${values.push(value)}::${type}`;
  const [columns, prefix] =
    reason === undefined
      ? [['consumer_group', 'seq'], '$1']
      : [['consumer_group', 'reason', 'seq'], `$1, ${given(reason, 'text')}`];
  const ends = { from: `${prefix}, 0`, to: `${prefix}, $2::bigint - 1` };
  const conditions = ['true'];
  if (ids !== undefined) conditions.push(`seq = any(${given(ids, 'bigint[]')})`);
  if (key !== undefined) conditions.push(`event_key = ${given(key, 'uuid')}`);
  if (waiting) conditions.push('redriven_at is null');
  const rows = await database.query<DeadLetterRow>(
    `${DEAD_LETTERS} from (
       select * from (select * from dead_letters where ${conditions.join(' and ')}) as d
       ${inIndex(columns, 'desc', ends)} limit $3
     ) as found where (${columns.slice(0, -1).join()}) = (${prefix}) order by seq desc`,
    values,
  );
  return rows.map((row) => ({
    ...row,
    id: Number(row.id),
    offset: Number(row.offset),
    deadLetterOffset: Number(row.deadLetterOffset),
    deadLetteredAt: new Date(row.deadLetteredAt),
    redrivenAt: dateOf(row.redrivenAt),
  }));
}

const WAITING = `
select reason, count(*) as letters from dead_letters where consumer_group = $1 and redriven_at is null group by reason`;

export async function countWaiting(database: Database, group: string): Promise<Map<string, number>> {
  const rows = await database.query<{ reason: string; letters: string }>(WAITING, [group]);
  return new Map(rows.map(({ reason, letters }) => [reason, Number(letters)]));
}

/** The size of every table in the schema of the events, with indexes. */
const BYTES = `
select coalesce(sum(pg_total_relation_size(oid)), 0) as bytes from pg_class
where relkind = 'r' and relnamespace = (select relnamespace from pg_class where oid = 'events'::regclass)`;

export async function bytes(database: Database): Promise<number> {
  const [row] = await database.query<{ bytes: string }>(BYTES, []);
  return Number(row!.bytes);
}

interface DeadLetterRow
  extends AsText<Omit<DeadLetter, 'deadLetteredAt' | 'redrivenAt'>, 'id' | 'offset' | 'deadLetterOffset'> {
  deadLetteredAt: number;
  redrivenAt: number | null;
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
