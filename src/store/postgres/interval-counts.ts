import type { CountedField, IntervalCount, IntervalCounts, IntervalQuery } from '../event-store.ts';
import { inIndex } from './ranges.ts';
import type { AsText } from './reads.ts';
import type { Reader } from './replica.ts';

const COLUMNS: Record<CountedField, string> = { userId: 'user_id', eventType: 'event_type' };

/**
 * Counts events by interval. The last row is the place of the last event.
 */
export async function byInterval(
  reader: Reader,
  { after, before, limit, userId, eventType, by, origin, length }: IntervalQuery,
): Promise<IntervalCounts> {
  const filter = userId ?? eventType;
  const filtered = filter === undefined ? [] : [userId === undefined ? 'event_type' : 'user_id'];
  const given = filter === undefined ? '' : '$8, ';
  const found = inIndex([...filtered, 'happened_at', 'seq'], 'asc', {
    from: `${given}$1, $2::bigint + 1`,
    to: `${given}$3, $4::bigint - 1`,
  });
  const rows = await reader.query<CountRow>(
    `with found as materialized (
       select happened_at, seq, ${by === undefined ? 'null' : COLUMNS[by]} as value, ${filtered[0] ?? 'null'} as filtered
       from events ${found} limit $5
     ), counted as materialized (
       select * from found where ${filter === undefined ? '' : 'filtered = $8 and'} (happened_at, seq) < ($3, $4)
     )
     (select (happened_at - $6) / $7 as interval, value, count(*) as events, null::bigint as sequence
      from counted group by 1, 2)
     union all
     (select happened_at, null, null, seq from counted order by happened_at desc, seq desc limit 1)`,
    [
      after.time,
      after.sequence,
      before.time,
      before.sequence,
      limit,
      origin,
      length,
      ...(filter === undefined ? [] : [filter]),
    ],
  );
  const last = rows.find(({ sequence }) => sequence !== null);
  return {
    counts: rows
      .filter((row) => row !== last)
      .map(({ interval, value, events }) => ({ interval: Number(interval), value, events: Number(events) })),
    last: last && { time: Number(last.interval), sequence: Number(last.sequence) },
  };
}

interface CountRow extends AsText<IntervalCount, 'interval' | 'events'> {
  /** Set only in the row of the last event, whose time is in `interval`; null in all others. */
  sequence: string | null;
}
