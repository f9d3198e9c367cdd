import { type DatabaseSync, inTransaction, prepareQuery, type Query } from '../../sqlite/sqlite-file.ts';
import {
  ALL_DAYS,
  DAY_MS,
  daysOf,
  type EventRetention,
  HOURS_A_DAY,
  type KeptDays,
  later,
  type RemovableEvent,
  type StoredEvent,
  showsDayBefore,
} from '../event-store.ts';
import { HOUR, type SqliteCounts } from './counts.ts';
import { onFile } from './errors.ts';
import { keyBytes, keyText } from './keys.ts';
import { TakenCounts } from './taken-counts.ts';

interface OldEvent {
  sequence: number;
  key: Uint8Array;
  userId: string;
  eventType: string;
  hour: number;
  time: number;
}

/** Of all types without a row of their own. */
const OTHERS = '';

/** Removes events from a SQLite file, which gives the space back. Waits for nobody: there is one writer. */
export class SqliteRetention implements EventRetention {
  readonly #db: DatabaseSync;
  readonly #counts: SqliteCounts;
  readonly #days: Query<{ eventType: string; day: number }>;

  constructor(db: DatabaseSync, counts: SqliteCounts) {
    this.#db = db;
    this.#counts = counts;
    this.#days = prepareQuery(
      db,
      'select event_type as eventType, first_day as day from kept_from order by 1',
    );
  }

  get days(): KeptDays {
    const rows = onFile(() => this.#days.all());
    const others = rows.find(({ eventType }) => eventType === OTHERS)?.day ?? ALL_DAYS;
    return { others, types: rows.filter(({ eventType }) => eventType !== OTHERS).map((row) => ({ ...row })) };
  }

  async keptDays(): Promise<KeptDays> {
    return this.days;
  }

  async keepFrom(wanted: KeptDays): Promise<KeptDays> {
    const before = this.days;
    const days = later(before, wanted);
    if (JSON.stringify(days) === JSON.stringify(before)) return days;
    onFile(() =>
      inTransaction(this.#db, () => {
        const keep = this.#db.prepare('insert or replace into kept_from values (?, ?)');
        if (days.others !== ALL_DAYS) keep.run(OTHERS, days.others);
        for (const { eventType, day } of days.types) keep.run(eventType, day);
        this.#db.exec('update positions set epoch = epoch + 1');
      }),
    );
    return days;
  }

  async findExpired(limit: number): Promise<StoredEvent[]> {
    this.#counts.countUp();
    const { days } = this;
    const firstDay = daysOf(days);
    const latest = Math.max(days.others, ...days.types.map(({ day }) => day));
    return onFile(() => {
      const types = prepareQuery<{ eventType: string; hour: number }>(
        this.#db,
        'select event_type as eventType, min(hour) as hour from event_counts where hour < ? group by event_type',
      ).all(latest * HOURS_A_DAY);
      const old = types.filter(({ eventType, hour }) => hour < firstDay(eventType) * HOURS_A_DAY);
      const find = prepareQuery<StoredEvent>(
        this.#db,
        `select seq as sequence, json from events where event_type = ? and happened_at < ?
         order by happened_at limit ?`,
      );
      for (const { eventType } of old) {
        const found = find.all(eventType, firstDay(eventType) * DAY_MS, limit);
        if (found.length > 0) return found.map((row) => ({ ...row }));
      }
      return [];
    });
  }

  async remove(events: readonly RemovableEvent[]): Promise<number> {
    // What is not counted yet must not be taken from what is.
    this.#counts.countUp();
    return onFile(() => {
      const removed = inTransaction(this.#db, () => this.#remove(events));
      // If we die here: the space is given back with that of the next.
      this.#db.exec('pragma incremental_vacuum');
      return removed;
    });
  }

  #remove(events: readonly RemovableEvent[]): number {
    const db = this.#db;
    const firstDay = daysOf(this.days);
    const find = prepareQuery<OldEvent>(
      db,
      `select seq as sequence, event_key as key, user_id as userId, event_type as eventType, ${HOUR} as hour,
         happened_at as time
       from events where seq = ?`,
    );
    const deletes = [
      'delete from user_events where user_id = :userId and seq = :sequence',
      'delete from user_times where user_id = :userId and happened_at = :time and seq = :sequence',
      'delete from events where seq = :sequence',
    ].map((text) => db.prepare(text));
    for (const statement of deletes) statement.setAllowUnknownNamedParameters(true);
    const remember = db.prepare('insert or ignore into gone_events values (?)');
    const taken = new TakenCounts(db);
    let removed = 0;
    for (const { sequence, counted } of events) {
      const found = find.get(sequence);
      if (found === undefined) continue;
      const { key, userId, eventType, hour, time } = found;
      if (!showsDayBefore(keyText(key), firstDay(eventType))) remember.run(key);
      for (const statement of deletes) statement.run({ userId, time, sequence });
      taken.take({ userId, eventType, hour, counted });
      removed++;
    }
    db.prepare('update counted_up_to set removed = removed + ?').run(removed);
    return removed;
  }

  async removedKeys(keys: readonly string[]): Promise<Set<string>> {
    const find = prepareQuery<object>(this.#db, 'select 1 from gone_events where event_key = ?');
    return new Set(keys.filter((key) => onFile(() => find.get(keyBytes(key))) !== undefined));
  }

  async removeDeadLetters(before: Date, limit: number): Promise<number> {
    return onFile(() => {
      const { changes } = this.#db
        .prepare(
          `delete from dead_letters where seq in
             (select seq from dead_letters where set_aside_at < ? order by set_aside_at limit ?)`,
        )
        .run(before.toISOString(), limit);
      return Number(changes);
    });
  }
}
