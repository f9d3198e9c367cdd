import {
  type DeadLetter,
  type DeadLetterQuery,
  type EventRecord,
  READ_BYTES,
  type ReadQuery,
  type StoredEvent,
  StoreUnavailableError,
  type Watermarks,
} from '../event-store.ts';
import type { Database } from './client.ts';
import { IS_REPLICA, LAST_SEQUENCE, sequenceOf, WRITERS } from './writer-locks.ts';

/** Milliseconds since 1970: a time would be a text in whichever style the database or the role prefers. */
const MS = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/** Numbers of 64 bits come as text. */
export type AsText<T, Names extends keyof T> = { [K in keyof T]: K extends Names ? string : T[K] };

/**
 * The last sequence given out is read first, the writers at work after it: whoever is no longer at work has stored what it
 * got. Each statement sees what was stored before it began.
 */
const WATERMARKS = [LAST_SEQUENCE, WRITERS, 'select max(seq) as sequence from events'];

/** @throws StoreUnavailableError also where there is only a replica to ask */
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

export async function read(
  database: Database,
  { order, after, upTo, limit, bytes = READ_BYTES, userId, eventTypes }: ReadQuery,
): Promise<StoredEvent[]> {
  // Only the bound where reading begins is for the index. Of a range with both ends the planner thinks that it is small,
  // until the table has been analysed, and sorts all of it.
  const [begins, ends] = order === 'asc' ? ['seq > $1', 'seq <= $2'] : ['seq <= $2', 'seq > $1'];
  const inOrder = `${begins} order by seq ${order} limit $3`;
  // One range of the index for each type: of all of them together the database would sort everything there is.
  const rows = userId
    ? `select seq, json from events where user_id = $5 and ${inOrder}`
    : eventTypes
      ? `select of_type.* from unnest($5::text[]) as type cross join lateral (
           select seq, json from events where event_type = type and ${inOrder}
         ) as of_type order by seq ${order} limit $3`
      : `select seq, json from events where ${inOrder}`;
  const filter = userId ?? eventTypes;
  const found = await database.query<AsText<StoredEvent, 'sequence'>>(
    `select seq as sequence, json from (
       select seq, json, sum(octet_length(json)) over (order by seq ${order} rows unbounded preceding)
         - octet_length(json) as before
       from (${rows}) as rows
     ) as measured where before < $4 and ${ends} order by seq ${order}`,
    [after, upTo, limit, bytes, ...(filter === undefined ? [] : [filter])],
  );
  return found.map(({ sequence, json }) => ({ sequence: Number(sequence), json }));
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
  ${MS('redriven_at')} as "redrivenAt", dlt_partition as "deadLetterPartition", dlt_offset as "deadLetterOffset"
from dead_letters
where consumer_group = $1 and ($2::bigint is null or seq < $2) and ($3::bigint[] is null or seq = any($3))
  and ($4::text is null or reason = $4) and (not $5 or redriven_at is null)
  and ($7::uuid is null or event_key = $7)
order by seq desc limit $6`;

export async function deadLetters(
  database: Database,
  group: string,
  query: DeadLetterQuery,
): Promise<DeadLetter[]> {
  const { before = null, ids = null, key = null, reason = null, waiting = false, limit } = query;
  const rows = await database.query<DeadLetterRow>(DEAD_LETTERS, [
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
    deadLetteredAt: new Date(row.deadLetteredAt),
    redrivenAt: dateOf(row.redrivenAt),
  }));
}

interface DeadLetterRow
  extends AsText<Omit<DeadLetter, 'deadLetteredAt' | 'redrivenAt'>, 'id' | 'offset' | 'deadLetterOffset'> {
  deadLetteredAt: number;
  redrivenAt: number | null;
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
