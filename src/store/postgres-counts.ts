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
import type { Database } from './postgres-client.ts';
import type { AsText } from './postgres-reads.ts';

/** Reads what `postgres-process.ts` counts. */
export class PostgresCounts implements EventCounts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async totals(): Promise<TypeTotal[]> {
    const rows = await this.#database.query<AsText<TypeTotal, 'events' | 'firstHour' | 'lastHour'>>(
      `select event_type as "eventType", sum(events) as events, min(hour) as "firstHour", max(hour) as "lastHour"
       from event_counts group by event_type order by event_type collate "C"`,
      [],
    );
    return rows.map(({ eventType, events, firstHour, lastHour }) => ({
      eventType,
      ...{ events: Number(events), firstHour: Number(firstHour), lastHour: Number(lastHour) },
    }));
  }

  async byHour({ from, to }: HourRange): Promise<HourCount[]> {
    const rows = await this.#database.query<AsText<HourCount, 'hour' | 'events'>>(
      `select hour, event_type as "eventType", events from event_counts where hour >= $1 and hour <= $2
       order by hour, event_type collate "C"`,
      [from, to],
    );
    return rows.map((row) => ({ ...row, hour: Number(row.hour), events: Number(row.events) }));
  }

  async distinctByDay(dimension: string, { from, to }: DayRange): Promise<DayCount[]> {
    const rows = await this.#database.query<AsText<DayCount, 'values'>>(
      `select day, distinct_values as values from distinct_counts
       where dimension = $1 and day >= $2 and day <= $3 order by day`,
      [dimension, from, to],
    );
    return rows.map(({ day, values }) => ({ day, values: Number(values) }));
  }

  async topValues(dimension: string, day: number, limit: number): Promise<ValueCount[]> {
    const rows = await this.#database.query<AsText<ValueCount, 'events'>>(
      `select value, events from value_counts where dimension = $1 and day = $2
       order by level desc, events desc, value collate "C" limit $3`,
      [dimension, day, limit],
    );
    return rows.map(({ value, events }) => ({ value, events: Number(events) }));
  }

  async span({ from, to }: HourRange): Promise<Span | undefined> {
    const [row] = await this.#database.query<{ first: string | null; last: string | null }>(
      'select min(first_seq) as first, max(last_seq) as last from event_counts where hour >= $1 and hour <= $2',
      [from, to],
    );
    return row!.first === null ? undefined : { first: Number(row!.first), last: Number(row!.last) };
  }
}
