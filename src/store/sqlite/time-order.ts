import { eventTimeMs } from '../../events/event-time.ts';
import { type DatabaseSync, prepareArrayQuery, type Query } from '../../sqlite/sqlite-file.ts';
import { READ_BYTES, TIMESTAMP_MEMBER, type TimedEvent, type TimeReadQuery } from '../event-store.ts';
import { merged } from './merged.ts';

type EventRow = [time: number, sequence: number, json: string | null];

const TIMESTAMP = new RegExp(TIMESTAMP_MEMBER);

/** The migration uses this to fill in the time of older rows: SQLite's own functions accept other texts as times. */
export function defineEventTime(db: DatabaseSync): void {
  db.function('event_time', { deterministic: true }, (json) => {
    const [member] = TIMESTAMP.exec(String(json)) ?? [];
    const time = member === undefined ? Number.NaN : eventTimeMs(member.slice('"timestamp":"'.length, -1));
    // Beyond 32 bits a number would be bound as a floating-point value.
    return Number.isNaN(time) ? null : BigInt(time);
  });
}

const JSON_OF_USER = '(select json from events where events.seq = user_times.seq)';

/** Reads events in the order of their times. */
export function readByTime(db: DatabaseSync, query: TimeReadQuery): TimedEvent[] {
  const { limit, bytes: most = READ_BYTES } = query;
  const found: TimedEvent[] = [];
  let bytes = 0;
  for (const [time, sequence, json] of rowsOf(db, query)) {
    if (json === null) continue;
    found.push({ sequence, time, json });
    bytes += json.length;
    if (found.length === limit || bytes >= most) break;
  }
  return found;
}

function rowsOf(db: DatabaseSync, query: TimeReadQuery): Iterable<EventRow> {
  const { userId, eventTypes, order } = query;
  if (userId !== undefined) {
    const columns = `happened_at, seq, ${JSON_OF_USER}`;
    return iterateByTime(db, { columns, from: 'user_times where user_id = ? and', value: userId }, query);
  }
  const columns = 'happened_at, seq, json';
  if (eventTypes === undefined) return iterateByTime(db, { columns, from: 'events where' }, query);
  const from = 'events where event_type = ? and';
  const sources = eventTypes.map((value) => iterateByTime<EventRow>(db, { columns, from, value }, query));
  const sign = order === 'asc' ? 1 : -1;
  const isBefore = (a: EventRow, b: EventRow) => sign * (a[0] - b[0] || a[1] - b[1]) < 0;
  return sources.length === 1 ? sources[0]! : merged(sources, isBefore);
}

interface Source {
  columns: string;
  /** The statement up to the condition of the range. */
  from: string;
  /** For the one parameter in `from`, if it has one. */
  value?: string | undefined;
}

type Range = Pick<TimeReadQuery, 'order' | 'after' | 'before' | 'limit'>;

/** Rows between two places, in order of time. */
export function selectByTime<Row extends unknown[]>(db: DatabaseSync, source: Source, range: Range): Row[] {
  const [ofStart, others] = statementsOf<Row>(db, source, range);
  const found = ofStart.statement.all(...ofStart.values, range.limit);
  if (found.length >= range.limit) return found;
  return [...found, ...others.statement.all(...others.values, range.limit - found.length)];
}

/** The same one by one, as rows may be large; the caller must not take more than the limit. */
function* iterateByTime<Row extends unknown[]>(
  db: DatabaseSync,
  source: Source,
  range: Range,
): Generator<Row, void> {
  for (const { statement, values } of statementsOf<Row>(db, source, range)) {
    yield* statement.iterate(...values, range.limit);
  }
}

interface Prepared<Row> {
  statement: Query<Row>;
  /** Without the limit. */
  values: (string | number)[];
}

/** Two statements: with one, SQLite would scan all events of the same time again for each step within it. */
function statementsOf<Row extends unknown[]>(
  db: DatabaseSync,
  { columns, from, value }: Source,
  { order, after, before }: Range,
): [ofStart: Prepared<Row>, others: Prepared<Row>] {
  const [beyond, within, start, end] =
    order === 'asc' ? ['>', '<', after, before] : ['<', '>', before, after];
  const bound = `(happened_at, seq) ${within} (?, ?)`;
  const given = value === undefined ? [] : [value];
  return [
    {
      statement: prepareArrayQuery(
        db,
        `select ${columns} from ${from} happened_at = ? and seq ${beyond} ? and ${bound}
         order by seq ${order} limit ?`,
      ),
      values: [...given, start.time, start.sequence, end.time, end.sequence],
    },
    {
      statement: prepareArrayQuery(
        db,
        `select ${columns} from ${from} happened_at ${beyond} ? and ${bound}
         order by happened_at ${order}, seq ${order} limit ?`,
      ),
      values: [...given, start.time, end.time, end.sequence],
    },
  ];
}
