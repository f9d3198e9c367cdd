// In: the days that are kept, and events to remove. Out: nothing older is stored from then on, and the events and their
// counts are gone, each step in a transaction of its own, while others store.
import {
  DAY_MS,
  daysOf,
  type EventRetention,
  earliestDay,
  type KeptDays,
  later,
  type RemovableEvent,
  StoreUnavailableError,
  typesBefore,
} from '../event-store.ts';
import { KEPT_FROM, OTHERS, toKeptDays, toRows } from '../kept-from-sql.ts';
import type { Database } from './client.ts';
import type { PostgresCounts } from './counts.ts';
import { watermarks } from './reads.ts';
import { FORGET_VALUES, REMOVE } from './removal.ts';

/** Events whose keys are remembered in one statement. */
const STEP = 5000;
/** Sequences that are looked through in one statement for events that are too old. */
const STORED_STEP = 50_000;
const LONGEST_WAIT_MS = 2000;

/**
 * Whether the key of an event `e` is its id, and shows as UUIDv7 that it is older than all that is kept: it may come again as
 * an event of any type. A key that was derived from an id shows nothing.
 */
const shows = (earliestDay: string) => `(substr(e.event_key::text, 15, 1) = '7'
  and lower(substr(e.json, 13, 36)) = e.event_key::text
  and ('x' || left(replace(e.event_key::text, '-', ''), 12))::bit(48)::bigint < ${earliestDay}::bigint * ${DAY_MS})`;

/** Remembers the keys of the next events of a type before a day. @returns the place of the last of them */
const REMEMBER_STEP = `
with step as (
  select event_key, event_type, happened_at, seq, json from events
  where (event_type, happened_at, seq) > ($1, $2::bigint, $3::bigint)
  order by event_type, happened_at, seq limit ${STEP}
), chosen as (
  select * from step where event_type = $1 and happened_at < $4::bigint * ${DAY_MS}
), remembered as (
  insert into gone_events select event_key from chosen e where not ${shows('$5')} order by event_key on conflict do nothing
)
select happened_at as time, seq as sequence from chosen order by happened_at desc, seq desc limit 1`;

/** Remembers the keys of events, stored between two sequences, that are before the day of their type. */
const REMEMBER_STORED = `
insert into gone_events
select e.event_key from events e left join unnest($3::text[], $4::integer[]) as own (event_type, day) on own.event_type = e.event_type
where e.seq > $1 and e.seq <= $2 and e.happened_at < coalesce(own.day, $5::integer)::bigint * ${DAY_MS} and not ${shows('$6')}
order by e.event_key on conflict do nothing`;

/** A type that has no row was one of the others until now. Nobody else moves days meanwhile. */
const MOVE_DAYS = `
insert into kept_from (event_type, first_day)
select event_type,
  case when exists (select from kept_from k where k.event_type = given.event_type) then day
    else greatest(day, (select first_day from kept_from where event_type = '${OTHERS}')) end
from unnest($1::text[], $2::integer[]) as given (event_type, day)
on conflict (event_type) do update set first_day = greatest(kept_from.first_day, excluded.first_day)`;

/** Removes events from PostgreSQL. Any number of instances may do so at once. */
export class PostgresRetention implements EventRetention {
  readonly #database: Database;
  readonly #counts: PostgresCounts;

  constructor(database: Database, counts: PostgresCounts) {
    this.#database = database;
    this.#counts = counts;
  }

  async keptDays(): Promise<KeptDays> {
    return toKeptDays(await this.#database.query<{ eventType: string; day: number }>(KEPT_FROM, []));
  }

  async today(): Promise<number> {
    const [row] = await this.#database.query<{ day: number }>(
      'select floor(extract(epoch from now()) / 86400)::integer as day',
      [],
    );
    return row!.day;
  }

  async keepFrom(wanted: KeptDays, signal?: AbortSignal): Promise<KeptDays> {
    const before = await this.keptDays();
    const days = later(before, wanted);
    if (days === before) return days;
    await this.#checkRights();
    // If we die here, or in any step below: keys are remembered of events that are still there and still kept. They are
    // found as before, and the next call remembers those of the rest.
    let { stable: seen } = await watermarks(this.#database);
    const firstDay = daysOf(days);
    for (const eventType of await typesBefore(days, this.#counts)) {
      await this.#remember(eventType, firstDay(eventType), earliestDay(days), signal);
    }
    for (;;) {
      const { stable } = await watermarks(this.#database);
      if (stable - seen < STEP) break;
      signal?.throwIfAborted();
      const upTo = Math.min(stable, seen + STORED_STEP);
      await this.#database.query(REMEMBER_STORED, storedBetween(seen, upTo, days));
      seen = upTo;
    }
    signal?.throwIfAborted();
    await this.#move(days, seen);
    return this.keptDays();
  }

  /** The keys of the last events, the days and the claims, together. */
  #move(days: KeptDays, seen: number): Promise<void> {
    return this.#database.writing(async (client) => {
      // Waits for those who store or claim now, not for long, since others wait behind it; the next claims see the new days.
      await client.query(`set local lock_timeout = '${LONGEST_WAIT_MS}'`);
      await client.query('lock table positions in share row exclusive mode');
      await client.query(REMEMBER_STORED, storedBetween(seen, Number.MAX_SAFE_INTEGER, days));
      const given = toRows(days);
      await client.query(MOVE_DAYS, [given.map(({ eventType }) => eventType), given.map(({ day }) => day)]);
      await client.query('update positions set epoch = epoch + 1');
    });
  }

  /** Where rights were taken away, nothing must move that says it is gone. */
  async #checkRights(): Promise<void> {
    const [row] = await this.#database.query<{ lacks: string[] }>(
      `select array(select name from unnest('{events,dead_letters,event_counts,value_counts,distinct_counts,known_values}'::text[])
         as name where not has_table_privilege(name, 'delete')) as lacks`,
      [],
    );
    const { lacks } = row!;
    if (lacks.length === 0) return;
    throw new StoreUnavailableError(
      `retention may not delete: GRANT DELETE ON ${lacks.join(', ')} TO this role`,
    );
  }

  async #remember(
    eventType: string,
    day: number,
    earliest: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let place = { time: String(Number.MIN_SAFE_INTEGER), sequence: '0' };
    for (;;) {
      signal?.throwIfAborted();
      const values = [eventType, place.time, place.sequence, day, earliest];
      const [last] = await this.#database.query<typeof place>(REMEMBER_STEP, values);
      if (last === undefined) return;
      place = last;
    }
  }

  async remove(events: readonly RemovableEvent[]): Promise<number> {
    // What is not counted yet must not be taken from what is.
    await this.#counts.countUp();
    const values = events.flatMap(({ sequence, counted }) =>
      counted.map(([dimension, value]) => ({ sequence, dimension, value })),
    );
    return this.#database.writing(async (client) => {
      // Nobody counts meanwhile.
      await client.query('select from counted_up_to for update');
      const { rows } = await client.query<Removed>(REMOVE, [
        events.map(({ sequence }) => sequence),
        values.map(({ sequence }) => sequence),
        values.map(({ dimension }) => dimension),
        values.map(({ value }) => value),
      ]);
      const { removed, dimensions, dropped } = rows[0]!;
      if (dropped.length > 0) await client.query(FORGET_VALUES, [dimensions, dropped]);
      return Number(removed);
    });
  }

  async removedKeys(keys: readonly string[]): Promise<Set<string>> {
    const rows = await this.#database.query<{ key: string }>(
      `select event_key::text as key from gone_events g where event_key = any($1::uuid[])
         and not exists (select from events e where e.event_key = g.event_key)`,
      [keys],
    );
    return new Set(rows.map(({ key }) => key));
  }

  async removeDeadLetters(before: Date, limit: number): Promise<number> {
    const [row] = await this.#database.query<{ removed: number }>(
      `with removed as (
         delete from dead_letters where seq in
           (select seq from dead_letters where set_aside_at < $1 order by seq limit $2)
         returning seq
       ) select count(*)::integer as removed from removed`,
      [before, limit],
    );
    return row!.removed;
  }
}

interface Removed {
  removed: string;
  /** Of each of `dropped`. */
  dimensions: string[];
  /** Values that some day has no more. */
  dropped: string[];
}

function storedBetween(from: number, to: number, days: KeptDays): unknown[] {
  const { others, types } = days;
  const own = [types.map(({ eventType }) => eventType), types.map(({ day }) => day)];
  return [from, to, ...own, others, earliestDay(days)];
}
