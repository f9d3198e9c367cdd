import type { DatabaseSync, StatementSync } from '../sqlite-file.ts';
import type {
  DayCount,
  DayRange,
  EventCounts,
  HourCount,
  HourRange,
  Span,
  TypeTotal,
  ValueCount,
} from './event-store.ts';
import type { Tally } from './tally.ts';

/** Counts of events in a SQLite file. */
export class SqliteCounts implements EventCounts {
  readonly #db: DatabaseSync;
  readonly #addHour: StatementSync;
  readonly #addValue: StatementSync;
  readonly #addDistinct: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#addHour = db.prepare(
      `insert into event_counts (hour, event_type, events, first_seq, last_seq) values (?, ?, ?, ?, ?)
       on conflict do update set events = events + excluded.events, last_seq = excluded.last_seq`,
    );
    this.#addValue = db.prepare(
      `insert into value_counts (dimension, day, value, events) values (?, ?, ?, ?)
       on conflict do update set events = events + excluded.events returning events`,
    );
    this.#addDistinct = db.prepare(
      `insert into distinct_counts (dimension, day, distinct_values) values (?, ?, ?)
       on conflict do update set distinct_values = distinct_values + excluded.distinct_values`,
    );
  }

  /** Adds the counts of a batch, in the transaction that stores it. */
  add({ hours, values }: Tally): void {
    for (const types of hours.values()) {
      for (const { hour, eventType, events, first, last } of types.values()) {
        this.#addHour.run(hour, eventType, events, first, last);
      }
    }
    for (const [dimension, days] of values) {
      for (const [day, counts] of days) {
        let distinct = 0;
        for (const [value, events] of counts) {
          if (this.#addValue.get(dimension, day, value, events)!.events === events) distinct++;
        }
        if (distinct > 0) this.#addDistinct.run(dimension, day, distinct);
      }
    }
  }

  async totals(): Promise<TypeTotal[]> {
    return this.#all<TypeTotal>(
      `select event_type as eventType, sum(events) as events, min(hour) as firstHour, max(hour) as lastHour
       from event_counts group by event_type order by event_type`,
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

  async span({ from, to }: HourRange): Promise<Span | undefined> {
    const [found] = this.#all<{ first: number | null; last: number | null }>(
      'select min(first_seq) as first, max(last_seq) as last from event_counts where hour >= ? and hour <= ?',
      from,
      to,
    );
    return found!.first === null ? undefined : { first: found!.first, last: found!.last! };
  }

  #all<Row>(sql: string, ...values: (string | number)[]): Row[] {
    return this.#db
      .prepare(sql)
      .all(...values)
      .map((row) => ({ ...row }) as Row);
  }
}
