import { READ_BYTES, type TimedEvent, type TimeReadQuery } from '../event-store.ts';
import { inIndex } from './ranges.ts';
import type { AsText } from './reads.ts';
import type { Reader } from './replica.ts';

/** Events in the order of their times. `read` in `reads.ts` explains the form of the statement. */
export async function readByTime(
  reader: Reader,
  { order, after, before, limit, bytes = READ_BYTES, userId, eventTypes }: TimeReadQuery,
): Promise<TimedEvent[]> {
  const [begins, ends] =
    order === 'asc'
      ? ['(happened_at, seq) > ($1, $2)', '(happened_at, seq) < ($3, $4)']
      : ['(happened_at, seq) < ($3, $4)', '(happened_at, seq) > ($1, $2)'];
  const inOrder = `order by happened_at ${order}, seq ${order}`;
  const rows = userId
    ? selectOf('user_id', '$7', order)
    : eventTypes
      ? `select of_type.* from unnest($7::text[]) as type
         cross join lateral (${selectOf('event_type', 'type', order)}) as of_type ${inOrder} limit $5`
      : `select seq, happened_at, json from events where ${begins} ${inOrder} limit $5`;
  const filter = userId ?? eventTypes;
  const found = await reader.query<AsText<TimedEvent, 'sequence' | 'time'>>(
    `select seq as sequence, happened_at as time, json from (
       select seq, happened_at, json, sum(octet_length(json)) over (${inOrder} rows unbounded preceding)
         - octet_length(json) as before
       from (${rows}) as rows
     ) as measured where before < $6 and ${ends} ${inOrder}`,
    [
      after.time,
      after.sequence,
      before.time,
      before.sequence,
      limit,
      bytes,
      ...(filter === undefined ? [] : [filter]),
    ],
  );
  return found.map(({ sequence, time, json }) => ({ sequence: Number(sequence), time: Number(time), json }));
}

function selectOf(column: 'user_id' | 'event_type', value: string, order: 'asc' | 'desc'): string {
  const columns = [column, 'happened_at', 'seq'];
  const ends = { from: `${value}, $1, $2::bigint + 1`, to: `${value}, $3, $4::bigint - 1` };
  return `select seq, happened_at, json from (
    select seq, happened_at, json, ${column} as value from events ${inIndex(columns, order, ends)} limit $5
  ) as found where value = ${value}`;
}
