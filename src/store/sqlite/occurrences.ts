import type { DatabaseSync } from '../../sqlite/sqlite-file.ts';
import type { Occurrence, OccurrenceQuery } from '../event-store.ts';
import { selectByTime } from './time-order.ts';

export function occurrences(db: DatabaseSync, { eventType, ...range }: OccurrenceQuery): Occurrence[] {
  const rows = selectByTime<[time: number, sequence: number, userId: string]>(
    db,
    { columns: 'happened_at, seq, user_id', from: 'events where event_type = ? and', value: eventType },
    { ...range, order: 'asc' },
  );
  return rows.map(([time, sequence, userId]) => ({ time, sequence, userId }));
}
