import { eventTimeMs } from '../../events/event.ts';
import { type DatabaseSync, prepareArrayQuery, prepareQuery, type Query } from '../../sqlite/sqlite-file.ts';
import { READ_BYTES, TIMESTAMP_MEMBER, type TimedEvent, type TimeReadQuery } from '../event-store.ts';

type Place = [time: number, sequence: number];

const TIMESTAMP = new RegExp(TIMESTAMP_MEMBER);

/** The migration uses this to fill in the time of older rows: SQLite's own functions read other texts as times. */
export function defineEventTime(db: DatabaseSync): void {
  db.function('event_time', { deterministic: true }, (json) => {
    const [member] = TIMESTAMP.exec(String(json)) ?? [];
    const time = member === undefined ? Number.NaN : eventTimeMs(member.slice('"timestamp":"'.length, -1));
    // Beyond 32 bits a number would be taken for a fraction.
    return Number.isNaN(time) ? null : BigInt(time);
  });
}

/** Reads events of a SQLite file in the order of their times. */
export class SqliteTimeOrder {
  readonly #db: DatabaseSync;
  readonly #json: Query<{ json: string }>;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#json = prepareQuery(db, 'select json from events where seq = ?');
  }

  /** Which events these are is found in the indexes; only the events that are returned are read. */
  read(query: TimeReadQuery): TimedEvent[] {
    const { limit, bytes: most = READ_BYTES } = query;
    const found: TimedEvent[] = [];
    let bytes = 0;
    for (const [time, sequence] of this.#places(query).slice(0, limit)) {
      const json = this.#json.get(sequence)?.json;
      if (json === undefined) continue;
      found.push({ sequence, time, json });
      bytes += json.length;
      if (bytes >= most) break;
    }
    return found;
  }

  #places(query: TimeReadQuery): Place[] {
    const { userId, eventTypes, order } = query;
    if (userId !== undefined) return this.#select('user_times where user_id = ? and', query, userId);
    if (eventTypes === undefined) return this.#select('events where', query);
    const sign = order === 'asc' ? 1 : -1;
    return eventTypes
      .flatMap((type) => this.#select('events where event_type = ? and', query, type))
      .sort((a, b) => sign * (a[0] - b[0] || a[1] - b[1]));
  }

  /** In two statements: SQLite would look through all events of one time again for each step within it. */
  #select(from: string, { order, after, before, limit }: TimeReadQuery, value?: string): Place[] {
    const [beyond, within, start, end] =
      order === 'asc' ? ['>', '<', after, before] : ['<', '>', before, after];
    const bound = `(happened_at, seq) ${within} (?, ?)`;
    const given = value === undefined ? [] : [value];
    const ofStart = prepareArrayQuery<Place>(
      this.#db,
      `select happened_at, seq from ${from} happened_at = ? and seq ${beyond} ? and ${bound}
       order by seq ${order} limit ?`,
    ).all(...given, start.time, start.sequence, end.time, end.sequence, limit);
    if (ofStart.length >= limit) return ofStart;
    const others = prepareArrayQuery<Place>(
      this.#db,
      `select happened_at, seq from ${from} happened_at ${beyond} ? and ${bound}
       order by happened_at ${order}, seq ${order} limit ?`,
    ).all(...given, start.time, end.time, end.sequence, limit - ofStart.length);
    return [...ofStart, ...others];
  }
}
