import type { DatabaseSync, StatementSync } from '../../sqlite/sqlite-file.ts';
import { type EventToStore, HOURS_A_DAY, TYPE_DIMENSION, USER_DIMENSION } from '../event-store.ts';

const TAKE_EVENT = [
  'update event_counts set events = events - 1 where hour = :hour and event_type = :eventType',
  'delete from event_counts where hour = :hour and event_type = :eventType and events <= 0',
];
/** Without a row, its setting was another when the event was stored. */
const TAKE_VALUE = `
update value_counts set events = events - 1 where dimension = :dimension and day = :day and value = :value and events > 1`;
const DROP_VALUE = 'delete from value_counts where dimension = :dimension and day = :day and value = :value';
const DROPPED_VALUE = [
  'update distinct_counts set distinct_values = distinct_values - 1 where dimension = :dimension and day = :day',
  'delete from distinct_counts where dimension = :dimension and day = :day and distinct_values <= 0',
  // Looks into each day by itself: only within a day are the values in order.
  `delete from known_values where dimension = :dimension and value = :value and not exists (
     select 1 from distinct_counts d cross join value_counts v
       on v.dimension = d.dimension and v.day = d.day and v.value = :value
     where d.dimension = :dimension)`,
];
const FORGET_TYPE = `
delete from known_values where dimension = '${TYPE_DIMENSION}' and value = :eventType
  and not exists (select 1 from event_counts where event_type = :eventType)`;

/** What was counted of events that are removed, taken from the counts again. */
export class TakenCounts {
  readonly #takeEvent: StatementSync[];
  readonly #takeValue: StatementSync;
  readonly #dropValue: StatementSync;
  readonly #droppedValue: StatementSync[];
  readonly #forgetType: StatementSync;

  constructor(db: DatabaseSync) {
    const prepare = (text: string) => {
      const statement = db.prepare(text);
      statement.setAllowUnknownNamedParameters(true);
      return statement;
    };
    this.#takeEvent = TAKE_EVENT.map(prepare);
    this.#takeValue = prepare(TAKE_VALUE);
    this.#dropValue = prepare(DROP_VALUE);
    this.#droppedValue = DROPPED_VALUE.map(prepare);
    this.#forgetType = prepare(FORGET_TYPE);
  }

  /** Takes one event that is counted, in a transaction of the caller. */
  take({ userId, eventType, hour, counted }: Omit<EventToStore, 'key' | 'offset' | 'time' | 'json'>): void {
    for (const statement of this.#takeEvent) statement.run({ hour, eventType });
    this.#forgetType.run({ eventType });
    const day = Math.floor(hour / HOURS_A_DAY);
    for (const [dimension, value] of [[USER_DIMENSION, userId] as const, ...counted]) {
      const row = { dimension, day, value };
      if (this.#takeValue.run(row).changes > 0 || this.#dropValue.run(row).changes === 0) continue;
      for (const statement of this.#droppedValue) statement.run(row);
    }
  }
}
