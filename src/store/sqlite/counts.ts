import {
  type DatabaseSync,
  inTransaction,
  prepareQuery,
  type StatementSync,
} from '../../sqlite/sqlite-file.ts';
import {
  ALL_HOURS,
  type DayCount,
  type DayRange,
  type EventCounts,
  type EventToStore,
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
import { onFile } from './errors.ts';
import { byInterval } from './interval-counts.ts';
import { occurrences } from './occurrences.ts';

/** After this many events they are counted: about 70 ms in which nothing else happens, a fifth of what counting each alone costs. */
const COUNT_AFTER = 10_000;
/** Most events counted in one transaction when more are pending. */
const STEP = 50_000;

/** Events stored before the column `hour` existed count at the hour they were stored. */
export const HOUR = 'coalesce(hour, stored_at / 3600000, 0)';

/** Counts the events after `:before` up to `:upTo`, in the transaction that advances that sequence. */
const COUNT_STEPS = [
  'insert into user_events select user_id, seq from events where seq > :before and seq <= :upTo order by user_id, seq',
  `insert into user_times
   select user_id, happened_at, seq from events where seq > :before and seq <= :upTo order by 1, 2, 3`,
  `insert into event_counts
   select ${HOUR}, event_type, count(*), min(seq), max(seq) from events where seq > :before and seq <= :upTo group by 1, 2
   on conflict do update set events = events + excluded.events, last_seq = excluded.last_seq`,
  'delete from temp.new_values',
  `insert into temp.new_values
   select '${USER_DIMENSION}', cast(floor(${HOUR} / ${HOURS_A_DAY}.0) as integer), user_id, count(*)
   from events where seq > :before and seq <= :upTo group by 2, 3`,
  `insert into temp.new_values
   select dimension, day, value, sum(events) from pending_values where seq <= :upTo group by dimension, day, value`,
  'delete from pending_values where seq <= :upTo',
  // Run before they are inserted, to find how many are new.
  `insert into distinct_counts
   select dimension, day, count(*) from temp.new_values n
   where not exists (select 1 from value_counts v where v.dimension = n.dimension and v.day = n.day and v.value = n.value)
   group by dimension, day
   on conflict do update set distinct_values = distinct_values + excluded.distinct_values`,
  `insert or ignore into known_values
   select distinct dimension, value from temp.new_values n
   where not exists (select 1 from value_counts v where v.dimension = n.dimension and v.day = n.day and v.value = n.value)
   union all
   select distinct '${TYPE_DIMENSION}', event_type from events where seq > :before and seq <= :upTo`,
  `insert into value_counts (dimension, day, value, events)
   select dimension, day, value, events from temp.new_values where true
   on conflict do update set events = events + excluded.events`,
  'update counted_up_to set seq = :upTo',
];

/** Event counts in a SQLite file: updated when queried, and from time to time. */
export class SqliteCounts implements EventCounts {
  readonly #db: DatabaseSync;
  readonly #addPending: StatementSync;
  readonly #countSteps: StatementSync[];
  #stored = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec(`create temporary table if not exists new_values (
      dimension text not null, day integer not null, value text not null, events integer not null
    )`);
    this.#countSteps = COUNT_STEPS.map((step) => {
      const statement = db.prepare(step);
      statement.setAllowUnknownNamedParameters(true);
      return statement;
    });
    this.#addPending = db.prepare('insert into pending_values values (?, ?, ?, ?, ?)');
  }

  /** Keeps the values of what was stored up to a sequence, in the transaction that stores it. */
  addValues(events: readonly EventToStore[], sequence: number): void {
    const pending = new Map<string, [dimension: string, day: number, value: string, events: number]>();
    for (const { hour, counted } of events) {
      const day = Math.floor(hour / HOURS_A_DAY);
      for (const [dimension, value] of counted) {
        const key = `${dimension} ${day} ${value}`;
        const known = pending.get(key);
        if (known) known[3]++;
        else pending.set(key, [dimension, day, value, 1]);
      }
    }
    for (const values of pending.values()) this.#addPending.run(sequence, ...values);
  }

  /** Called after events were stored. */
  add(events: number): void {
    this.#stored += events;
    if (this.#stored >= COUNT_AFTER) this.countUp();
  }

  /** Counts what is stored and not yet counted. */
  countUp(): void {
    this.#stored = 0;
    onFile(() => {
      while (this.#countStep());
    });
  }

  /** @returns whether there may be more */
  #countStep(): boolean {
    const db = this.#db;
    const { before, latest } = prepareQuery<{ before: number; latest: number }>(
      db,
      'select seq as before, (select coalesce(max(seq), 0) from events) as latest from counted_up_to',
    ).get()!;
    if (latest <= before) return false;
    const upTo = Math.min(latest, before + STEP);
    // If we die here: the events are stored, and counted by the next count.
    inTransaction(db, () => {
      for (const step of this.#countSteps) step.run({ before, upTo });
    });
    return upTo < latest;
  }

  async totals({ from, to }: HourRange = ALL_HOURS): Promise<TypeTotal[]> {
    return this.#all<TypeTotal>(
      `select event_type as eventType, sum(events) as events, min(hour) as firstHour, max(hour) as lastHour
       from event_counts where hour >= ? and hour <= ?
       group by event_type order by event_type`,
      from,
      to,
    );
  }

  async byHour({ from, to }: HourRange): Promise<HourCount[]> {
    return this.#all<HourCount>(
      `select hour, event_type as eventType, events from event_counts where hour >= ? and hour <= ?
       order by hour, event_type`,
      from,
      to,
    );
  }

  async distinctByDay(dimension: string, { from, to }: DayRange): Promise<DayCount[]> {
    return this.#all<DayCount>(
      `select day, distinct_values as "values" from distinct_counts
       where dimension = ? and day >= ? and day <= ? order by day`,
      dimension,
      from,
      to,
    );
  }

  async topValues(dimension: string, day: number, limit: number): Promise<ValueCount[]> {
    return this.#all<ValueCount>(
      `select value, events from value_counts where dimension = ? and day = ?
       order by level desc, events desc, value limit ?`,
      dimension,
      day,
      limit,
    );
  }

  async valuesFrom(dimension: string, from: string, limit: number): Promise<string[]> {
    const found = this.#all<{ value: string }>(
      'select value from known_values where dimension = ? and value >= ? order by value limit ?',
      dimension,
      from,
      limit,
    );
    return found.map(({ value }) => value);
  }

  async ofUser(userId: string): Promise<UserTotal> {
    const [found] = this.#all<UserTotal>(
      `select (select count(*) from (select 1 from user_times where user_id = ?1 limit ${MOST_COUNTED_OF_USER})) as events,
         (select min(happened_at) from user_times where user_id = ?1) as first,
         (select max(happened_at) from user_times where user_id = ?1) as latest`,
      userId,
    );
    return found!;
  }

  async byInterval(query: IntervalQuery): Promise<IntervalCounts> {
    // The places of users' events are known as far as events are counted.
    if (query.userId !== undefined) this.countUp();
    return onFile(() => byInterval(this.#db, query));
  }

  async occurrences(query: OccurrenceQuery): Promise<Occurrence[]> {
    return onFile(() => occurrences(this.#db, query));
  }

  async sequenceRange({ from, to }: HourRange): Promise<SequenceRange | undefined> {
    const [found] = this.#all<{ first: number | null; last: number | null }>(
      'select min(first_seq) as first, max(last_seq) as last from event_counts where hour >= ? and hour <= ?',
      from,
      to,
    );
    return found!.first === null ? undefined : { first: found!.first, last: found!.last! };
  }

  #all<Row>(sql: string, ...values: (string | number)[]): Row[] {
    this.countUp();
    const rows = onFile(() => prepareQuery<Row>(this.#db, sql).all(...values));
    return rows.map((row) => ({ ...row }));
  }
}
