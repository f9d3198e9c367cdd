import type { DatabaseSync } from '../../sqlite/sqlite-file.ts';
import type { IntervalCounts, IntervalQuery } from '../event-store.ts';
import { IntervalTally } from '../interval-tally.ts';
import { selectByTime } from './time-order.ts';

const COLUMNS = { userId: 'user_id', eventType: 'event_type' };
/** As of `Source`: places of users' events are in a table of their own. */
const OF_USER = {
  from: 'user_times where user_id = ? and',
  userId: 'user_id',
  eventType: '(select event_type from events where events.seq = user_times.seq)',
};

/** Counts events by interval, row by row: grouping them in SQLite costs as much. */
export function byInterval(db: DatabaseSync, query: IntervalQuery): IntervalCounts {
  const { userId, eventType, by } = query;
  const isOfUser = userId !== undefined;
  const column = by === undefined ? 'null' : (isOfUser ? OF_USER : COLUMNS)[by];
  const from = isOfUser
    ? OF_USER.from
    : `events where ${eventType === undefined ? '' : 'event_type = ? and'}`;
  const rows = selectByTime<[time: number, sequence: number, value: string | null]>(
    db,
    { columns: `happened_at, seq, ${column}`, from, value: userId ?? eventType },
    { ...query, order: 'asc' },
  );
  const tally = new IntervalTally(query);
  for (const [time, sequence, value] of rows) tally.add({ time, sequence }, value);
  return tally.counts();
}
