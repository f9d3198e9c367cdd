import {
  ALL_HOURS,
  type DayCount,
  type DayRange,
  type EventCounts,
  HOURS_A_DAY,
  type HourCount,
  type HourRange,
  type IntervalCounts,
  type IntervalQuery,
  MOST_COUNTED_OF_USER,
  type Occurrence,
  type OccurrenceQuery,
  type SequenceRange,
  TYPE_DIMENSION,
  type TypeTotal,
  USER_DIMENSION,
  type UserTotal,
  type ValueCount,
} from '../event-store.ts';
import type { Database } from './client.ts';
import { byInterval } from './interval-counts.ts';
import { occurrences } from './occurrences.ts';
import { inIndex } from './ranges.ts';
import { type AsText, watermarks } from './reads.ts';
import type { Reader } from './replica.ts';
import { BARRING } from './standing.ts';

/** Most events counted in one transaction. */
const STEP = 50_000;
/** After storing this many events an instance counts them, so that queries never wait long. */
const COUNT_AFTER = 20_000;

/** Events stored before the column `hour` existed count at the hour they were stored. */
export const HOUR =
  'coalesce(e.hour, floor(extract(epoch from coalesce(e.stored_at, now())) / 3600)::bigint)';

/**
 * Counts the events after the last counted sequence and advances that sequence in a single statement, so that each is
 * counted once whatever dies. Locks the row of the sequence first, so that only one counts at a time. Counts nothing once a
 * newer release has shut this one out: its migration waits for the count that runs, and the next one sees it.
 */
const COUNT = `
with barring as materialized (
  ${BARRING}
), standing as (
  select seq as before, least($1::bigint, seq + ${STEP}) as upto from counted_up_to
  where seq < $1 and not exists (select from barring) for update
), counted as materialized (
  select e.seq, e.user_id, e.event_type, ${HOUR} as hour
  from standing, events e where e.seq > before and e.seq <= upto
), hours as (
  insert into event_counts (hour, event_type, events, first_seq, last_seq)
  select hour, event_type, count(*), min(seq), max(seq) from counted group by hour, event_type
  on conflict (hour, event_type) do update set events = event_counts.events + excluded.events,
    last_seq = excluded.last_seq
  returning event_type, xmax = 0 as is_new
), pending as (
  delete from pending_values p using standing where p.seq <= upto returning p.dimension, p.day, p.value, p.events
), valued as (
  insert into value_counts (dimension, day, value, events)
  select '${USER_DIMENSION}', floor(hour / ${HOURS_A_DAY}.0)::integer as day, user_id, count(*) from counted group by 2, 3
  union all
  select dimension, day, value, sum(events) from pending group by dimension, day, value
  on conflict (dimension, day, value) do update set events = value_counts.events + excluded.events
  returning dimension, day, value, xmax = 0 as is_new
), known as (
  insert into known_values (dimension, value)
  select dimension, value from valued where is_new
  union
  select '${TYPE_DIMENSION}', event_type from hours where is_new
  on conflict do nothing
), distinguished as (
  insert into distinct_counts (dimension, day, distinct_values)
  select dimension, day, count(*) from valued where is_new group by dimension, day
  on conflict (dimension, day) do update
    set distinct_values = distinct_counts.distinct_values + excluded.distinct_values
), moved as (
  update counted_up_to set seq = upto from standing returning upto
)
select coalesce((select upto from moved), $1) as upto, exists (select from barring) as "isBarred"`;

const BY_USER = ['user_id', 'happened_at'];
const ANY_TIME = { from: `$1, ${Number.MIN_SAFE_INTEGER}`, to: `$1, ${Number.MAX_SAFE_INTEGER}` };
const OF_USER = (order: 'asc' | 'desc') =>
  `select user_id, happened_at from events ${inIndex(BY_USER, order, ANY_TIME)}`;

/** Event counts in PostgreSQL: updated when queried, and from time to time. */
export class PostgresCounts implements EventCounts {
  readonly #database: Database;
  readonly #reader: Reader;
  #stored = 0;
  #counting: Promise<void> | undefined;
  #waiting: Promise<void> | undefined;

  /** @param reader where events themselves are read */
  constructor(database: Database, reader: Reader) {
    this.#database = database;
    this.#reader = reader;
  }

  /**
   * Called after events were stored. From time to time it counts them, while the next are being stored: the further
   * counting falls behind, the more it counts at a time. What cannot be counted now is counted later.
   */
  add(events: number): void {
    this.#stored += events;
    if (this.#stored < COUNT_AFTER || this.#counting) return;
    this.#stored = 0;
    this.countUp().catch(() => {});
  }

  /** Resolves when no counting is in progress. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#counting, this.#waiting]);
  }

  /** Callers that arrive during a count wait for the next one, which they share. */
  countUp(): Promise<void> {
    this.#waiting ??= this.#countNext();
    return this.#waiting;
  }

  async #countNext(): Promise<void> {
    // Success or failure only concerns the callers that wait for it.
    await Promise.allSettled([this.#counting]);
    this.#counting = this.#waiting;
    this.#waiting = undefined;
    try {
      const { stable } = await watermarks(this.#database);
      for (let upTo = 0; upTo < stable; ) {
        const [row] = await this.#database.query<{ upto: string; isBarred: boolean }>(COUNT, [stable]);
        // Throws, unless the list has changed once more.
        if (row!.isBarred) await this.#database.lookAgain();
        else upTo = Number(row!.upto);
      }
    } finally {
      this.#counting = undefined;
    }
  }

  async totals({ from, to }: HourRange = ALL_HOURS): Promise<TypeTotal[]> {
    await this.countUp();
    const rows = await this.#database.query<AsText<TypeTotal, 'events' | 'firstHour' | 'lastHour'>>(
      `select event_type as "eventType", sum(events) as events, min(hour) as "firstHour", max(hour) as "lastHour"
       from event_counts where hour >= $1 and hour <= $2
       group by event_type order by event_type collate "C"`,
      [from, to],
    );
    return rows.map(({ eventType, events, firstHour, lastHour }) => ({
      eventType,
      events: Number(events),
      firstHour: Number(firstHour),
      lastHour: Number(lastHour),
    }));
  }

  async byHour({ from, to }: HourRange): Promise<HourCount[]> {
    await this.countUp();
    const rows = await this.#database.query<AsText<HourCount, 'hour' | 'events'>>(
      `select hour, event_type as "eventType", events from event_counts where hour >= $1 and hour <= $2
       order by hour, event_type collate "C"`,
      [from, to],
    );
    return rows.map((row) => ({ ...row, hour: Number(row.hour), events: Number(row.events) }));
  }

  async distinctByDay(dimension: string, { from, to }: DayRange): Promise<DayCount[]> {
    await this.countUp();
    const rows = await this.#database.query<AsText<DayCount, 'values'>>(
      `select day, distinct_values as values from distinct_counts
       where dimension = $1 and day >= $2 and day <= $3 order by day`,
      [dimension, from, to],
    );
    return rows.map(({ day, values }) => ({ day, values: Number(values) }));
  }

  async topValues(dimension: string, day: number, limit: number): Promise<ValueCount[]> {
    await this.countUp();
    const rows = await this.#database.query<AsText<ValueCount, 'events'>>(
      `select value, events from value_counts where dimension = $1 and day = $2
       order by level desc, events desc, value collate "C" limit $3`,
      [dimension, day, limit],
    );
    return rows.map(({ value, events }) => ({ value, events: Number(events) }));
  }

  async valuesFrom(dimension: string, from: string, limit: number): Promise<string[]> {
    await this.countUp();
    const rows = await this.#database.query<{ value: string }>(
      'select value from known_values where dimension = $1 and value >= $2 order by value limit $3',
      [dimension, from, limit],
    );
    return rows.map(({ value }) => value);
  }

  async ofUser(userId: string): Promise<UserTotal> {
    const [row] = await this.#reader.query<AsText<UserTotal, 'events' | 'first' | 'latest'>>(
      `select (select count(*) from (select from events where user_id = $1 limit ${MOST_COUNTED_OF_USER}) as own) as events,
         (select happened_at from (${OF_USER('asc')} limit 1) as own where user_id = $1) as first,
         (select happened_at from (${OF_USER('desc')} limit 1) as own where user_id = $1) as latest`,
      [userId],
    );
    const { events, first, latest } = row!;
    return { events: Number(events), first: timeOf(first), latest: timeOf(latest) };
  }

  byInterval(query: IntervalQuery): Promise<IntervalCounts> {
    return byInterval(this.#reader, query);
  }

  occurrences(query: OccurrenceQuery): Promise<Occurrence[]> {
    return occurrences(this.#reader, query);
  }

  async sequenceRange({ from, to }: HourRange): Promise<SequenceRange | undefined> {
    await this.countUp();
    const [row] = await this.#database.query<{ first: string | null; last: string | null }>(
      'select min(first_seq) as first, max(last_seq) as last from event_counts where hour >= $1 and hour <= $2',
      [from, to],
    );
    return row!.first === null ? undefined : { first: Number(row!.first), last: Number(row!.last) };
  }
}

function timeOf(text: string | null): number | null {
  return text === null ? null : Number(text);
}
