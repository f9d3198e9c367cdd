import { type DatabaseSync, inTransaction, prepareQuery, type Query } from '../../sqlite/sqlite-file.ts';
import {
  type EventRetention,
  earliestDay,
  type KeptDays,
  later,
  type RemovableEvent,
  showsDayBefore,
} from '../event-store.ts';
import { KEPT_FROM, toKeptDays, toRows } from '../kept-from-sql.ts';
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
  json: string;
}

const ID_AT = '{"eventId":"'.length;
const UUID_LENGTH = 36;

/** Removes events from a SQLite file, which gives the space back. Waits for nobody: there is one writer. */
export class SqliteRetention implements EventRetention {
  readonly #db: DatabaseSync;
  readonly #counts: SqliteCounts;
  readonly #days: Query<{ eventType: string; day: number }>;

  constructor(db: DatabaseSync, counts: SqliteCounts) {
    this.#db = db;
    this.#counts = counts;
    this.#days = prepareQuery(db, KEPT_FROM);
  }

  get days(): KeptDays {
    return toKeptDays(onFile(() => this.#days.all()));
  }

  async keptDays(): Promise<KeptDays> {
    return this.days;
  }

  async keepFrom(wanted: KeptDays): Promise<KeptDays> {
    const before = this.days;
    const days = later(before, wanted);
    if (days === before) return days;
    onFile(() =>
      inTransaction(this.#db, () => {
        const keep = this.#db.prepare('insert or replace into kept_from values (?, ?)');
        for (const { eventType, day } of toRows(days)) keep.run(eventType, day);
        this.#db.exec('update positions set epoch = epoch + 1');
      }),
    );
    return days;
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
    const earliest = earliestDay(this.days);
    const find = prepareQuery<OldEvent>(
      db,
      `select seq as sequence, event_key as key, user_id as userId, event_type as eventType, ${HOUR} as hour,
         happened_at as time, json
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
      const id = { key: keyText(key), eventId: idIn(found.json) };
      // It may come again as an event of any type.
      if (!showsDayBefore(id, earliest)) remember.run(key);
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
             (select seq from dead_letters where set_aside_at < ? order by seq limit ?)`,
        )
        .run(before.toISOString(), limit);
      return Number(changes);
    });
  }
}

/** The id of an event that has the length of a UUID, as `encodeEvent` writes it. */
function idIn(json: string): string {
  return json.slice(ID_AT, ID_AT + UUID_LENGTH);
}
