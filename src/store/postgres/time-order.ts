import { READ_BYTES, type TimedEvent, type TimeReadQuery } from '../event-store.ts';
import type { Database } from './client.ts';
import type { AsText } from './reads.ts';

/** Events in the order of their times. As `read` of `reads.ts`, where the form of the statement is explained. */
export async function readByTime(
  database: Database,
  { order, after, before, limit, bytes = READ_BYTES, userId, eventTypes }: TimeReadQuery,
): Promise<TimedEvent[]> {
  const [begins, ends] =
    order === 'asc'
      ? ['(happened_at, seq) > ($1, $2)', '(happened_at, seq) < ($3, $4)']
      : ['(happened_at, seq) < ($3, $4)', '(happened_at, seq) > ($1, $2)'];
  const inOrder = `order by happened_at ${order}, seq ${order}`;
  const rows = userId
    ? `select seq, happened_at, json from events where user_id = $7 and ${begins} ${inOrder} limit $5`
    : eventTypes
      ? `select of_type.* from unnest($7::text[]) as type cross join lateral (
           select seq, happened_at, json from events where event_type = type and ${begins} ${inOrder} limit $5
         ) as of_type ${inOrder} limit $5`
      : `select seq, happened_at, json from events where ${begins} ${inOrder} limit $5`;
  const filter = userId ?? eventTypes;
  const found = await database.query<AsText<TimedEvent, 'sequence' | 'time'>>(
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
