// In: the days that are kept, and events to remove. Out: nothing older is stored from then on, and the events and their
// counts are gone, each step in a transaction of its own, while others store.
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
} from '../event-store.ts';
import type { Database } from './client.ts';
import type { PostgresCounts } from './counts.ts';
import { type AsText, watermarks } from './reads.ts';
import { FORGET_VALUES, REMOVE } from './removal.ts';

/** Of all types without a row of their own. */
const OTHERS = '';
/** Events whose keys are remembered in one statement. */
const STEP = 5000;

/** Whether a key `e.event_key` shows by itself, as UUIDv7, that it was made before a day. */
const shows = (day: string) => `(substr(e.event_key::text, 15, 1) = '7'
  and ('x' || left(replace(e.event_key::text, '-', ''), 12))::bit(48)::bigint < ${day}::bigint * ${DAY_MS})`;

/** Remembers the keys of the next events of a type before a day. @returns the place of the last of them */
const REMEMBER_STEP = `
with step as (
  select event_key, event_type, happened_at, seq from events
  where (event_type, happened_at, seq) > ($1, $2::bigint, $3::bigint)
  order by event_type, happened_at, seq limit ${STEP}
), chosen as (
  select * from step where event_type = $1 and happened_at < $4::bigint * ${DAY_MS}
), remembered as (
  insert into gone_events select event_key from chosen e where not ${shows('$4')} on conflict do nothing
)
select happened_at as time, seq as sequence from chosen order by happened_at desc, seq desc limit 1`;

/** Remembers the keys of events that were stored meanwhile, and are before the day that their type moves to. */
const rememberAfter = (sequence: number) => `
insert into gone_events
select e.event_key from (
  select e.*, coalesce(own.next_day, others.next_day, ${ALL_DAYS}) as day
  from events e left join kept_from own on own.event_type = e.event_type
    left join kept_from others on others.event_type = '${OTHERS}'
  where e.seq > ${sequence}
) as e where happened_at < day::bigint * ${DAY_MS} and not ${shows('day')}
on conflict do nothing`;

/** Removes events from PostgreSQL. Any number of instances may do so at once. */
export class PostgresRetention implements EventRetention {
  readonly #database: Database;
  readonly #counts: PostgresCounts;

  constructor(database: Database, counts: PostgresCounts) {
    this.#database = database;
    this.#counts = counts;
  }

  async keptDays(): Promise<KeptDays> {
    const rows = await this.#database.query<{ eventType: string; day: number }>(
      'select event_type as "eventType", first_day as day from kept_from order by 1',
      [],
    );
    const others = rows.find(({ eventType }) => eventType === OTHERS)?.day ?? ALL_DAYS;
    return { others, types: rows.filter(({ eventType }) => eventType !== OTHERS) };
  }

  async keepFrom(wanted: KeptDays): Promise<KeptDays> {
    const before = await this.keptDays();
    const days = later(before, wanted);
    if (JSON.stringify(days) === JSON.stringify(before)) return days;
    await this.#announce(before, days);
    // If we die here, or in any step below: keys are remembered of events that are still there and still kept. They are
    // found as before, and the next call remembers the others.
    const first = await watermarks(this.#database);
    for (const { eventType } of await this.#typesBefore(days)) {
      await this.#remember(eventType, daysOf(days)(eventType));
    }
    const second = await watermarks(this.#database);
    await this.#database.query(rememberAfter(first.stable), []);
    await this.#database.sequence([
      // Waits for those who store or claim now; the next claims see the new days.
      'lock table positions in share row exclusive mode',
      rememberAfter(second.stable),
      'update kept_from set first_day = next_day where first_day < next_day',
      'update positions set epoch = epoch + 1',
    ]);
    return this.keptDays();
  }

  async #announce(before: KeptDays, days: KeptDays): Promise<void> {
    const types = [OTHERS, ...days.types.map(({ eventType }) => eventType)];
    const dayBefore = (type: string) => (type === OTHERS ? before.others : daysOf(before)(type));
    const dayNow = (type: string) => (type === OTHERS ? days.others : daysOf(days)(type));
    await this.#database.query(
      `insert into kept_from (event_type, first_day, next_day)
       select * from unnest($1::text[], $2::integer[], $3::integer[])
       on conflict (event_type) do update set next_day = greatest(kept_from.next_day, excluded.next_day)`,
      [types, types.map(dayBefore), types.map(dayNow)],
    );
  }

  async #remember(eventType: string, day: number): Promise<void> {
    let place = { time: String(Number.MIN_SAFE_INTEGER), sequence: '0' };
    for (;;) {
      const [last] = await this.#database.query<typeof place>(REMEMBER_STEP, [
        eventType,
        place.time,
        place.sequence,
        day,
      ]);
      if (last === undefined) return;
      place = last;
    }
  }

  /** The types that have events before the days, judging by their counts. */
  async #typesBefore(days: KeptDays): Promise<{ eventType: string }[]> {
    await this.#counts.countUp();
    const latest = Math.max(days.others, ...days.types.map(({ day }) => day));
    const rows = await this.#database.query<{ eventType: string; hour: string }>(
      'select event_type as "eventType", min(hour) as hour from event_counts where hour < $1 group by event_type',
      [latest * HOURS_A_DAY],
    );
    const firstDay = daysOf(days);
    return rows.filter(({ eventType, hour }) => Number(hour) < firstDay(eventType) * HOURS_A_DAY);
  }

  async findExpired(limit: number): Promise<StoredEvent[]> {
    const days = await this.keptDays();
    const firstDay = daysOf(days);
    for (const { eventType } of await this.#typesBefore(days)) {
      const rows = await this.#database.query<AsText<StoredEvent, 'sequence'> & { isOld: boolean }>(
        `select seq as sequence, json, event_type = $1 and happened_at < $2::bigint as "isOld" from events
         where (event_type, happened_at, seq) > ($1, ${Number.MIN_SAFE_INTEGER}, 0)
         order by event_type, happened_at, seq limit $3`,
        [eventType, firstDay(eventType) * DAY_MS, limit],
      );
      const old = rows.filter(({ isOld }) => isOld);
      if (old.length > 0) return old.map(({ sequence, json }) => ({ sequence: Number(sequence), json }));
    }
    return [];
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
           (select seq from dead_letters where set_aside_at < $1 order by set_aside_at limit $2)
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
