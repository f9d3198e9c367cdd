import type { Occurrence, OccurrenceQuery } from '../event-store.ts';
import type { AsText } from './reads.ts';
import type { Reader } from './replica.ts';

/**
 * Only the bound where reading starts uses the index, as in `read` of `reads.ts`, and it is a place in the whole index: for
 * a single type the planner would otherwise sort all its events, or scan those of all types.
 */
export async function occurrences(
  reader: Reader,
  { eventType, after, before, limit }: OccurrenceQuery,
): Promise<Occurrence[]> {
  const rows = await reader.query<AsText<Occurrence, 'time' | 'sequence'>>(
    `select happened_at as time, seq as sequence, user_id as "userId" from (
       select event_type, happened_at, seq, user_id from events
       where (event_type, happened_at, seq) > ($1, $2, $3) order by event_type, happened_at, seq limit $6
     ) as found where event_type = $1 and (happened_at, seq) < ($4, $5) order by happened_at, seq`,
    [eventType, after.time, after.sequence, before.time, before.sequence, limit],
  );
  return rows.map(({ time, sequence, userId }) => ({
    time: Number(time),
    sequence: Number(sequence),
    userId,
  }));
}
