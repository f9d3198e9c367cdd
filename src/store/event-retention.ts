import { timeOfUuid } from '../events/event-time.ts';
import { ALL_HOURS, DAY_MS, type EventCounts, HOURS_A_DAY, type HourRange } from './event-counts.ts';
import type { EventToStore } from './event-store.ts';

/** The first days that are kept, by the events' own times: days since 1970, UTC. */
export interface KeptDays {
  /** Of types without a day of their own. */
  others: number;
  types: readonly { eventType: string; day: number }[];
}

/** Before the day of any event: nothing has been removed. */
export const ALL_DAYS = Math.floor(Date.UTC(-1, 0) / DAY_MS);
export const ALL_KEPT: KeptDays = { others: ALL_DAYS, types: [] };

/** An event of the store, and what was counted of it as in `EventToStore`. */
export interface RemovableEvent extends Pick<EventToStore, 'counted'> {
  sequence: number;
}

/** What leaves the store for good: events and dead letters, but never the knowledge that an event was there. */
export interface EventRetention {
  keptDays(): Promise<KeptDays>;

  /** The day it is by the clock of the store, in days since 1970; missing where that is the clock of this machine. */
  today?(): Promise<number>;

  /**
   * Keeps only events from these days on. A day never moves back. Claims made before are rejected from now on, so that
   * whoever stores knows the days. The keys of older events are remembered, unless they are ids that show their age
   * themselves: none is stored a second time, whatever time it is sent with. May take minutes.
   *
   * @param signal when it aborts, no day moves, and this rejects
   * @returns the days that are kept now
   */
  keepFrom(days: KeptDays, signal?: AbortSignal): Promise<KeptDays>;

  /**
   * Removes events, and what was counted of them, in one transaction. Those that are gone already are ignored.
   *
   * @returns how many it removed
   */
  remove(events: readonly RemovableEvent[]): Promise<number>;

  /** Those of these keys, of events that are not in the store, by which it remembers that it had them. */
  removedKeys(keys: readonly string[]): Promise<Set<string>>;

  /** Removes what was dead-lettered before a time, oldest first. @returns how many, at most `limit` */
  removeDeadLetters(before: Date, limit: number): Promise<number>;
}

/**
 * The days that are kept when some were kept before: what was removed does not come back.
 *
 * @returns `before` itself if none of them moves
 */
export function later(before: KeptDays, wanted: KeptDays): KeptDays {
  const [known, asked] = [daysOf(before), daysOf(wanted)];
  const types = new Set([...before.types, ...wanted.types].map(({ eventType }) => eventType));
  const days = {
    others: Math.max(before.others, wanted.others),
    types: [...types].sort().map((eventType) => ({
      eventType,
      day: Math.max(known(eventType), asked(eventType)),
    })),
  };
  return JSON.stringify(days) === JSON.stringify(before) ? before : days;
}

/** The first day that is kept of a type. */
export function daysOf({ others, types }: KeptDays): (eventType: string) => number {
  const own = new Map(types.map(({ eventType, day }) => [eventType, day]));
  return (eventType) => own.get(eventType) ?? others;
}

/** From this day on, events of all types are kept. */
export function latestDay({ others, types }: KeptDays): number {
  return types.reduce((latest, { day }) => Math.max(latest, day), others);
}

/** Before this day, events of no type are kept. */
export function earliestDay({ others, types }: KeptDays): number {
  return types.reduce((earliest, { day }) => Math.min(earliest, day), others);
}

/** All hours before a day. */
export function hoursBefore(day: number): HourRange {
  return { from: ALL_HOURS.from, to: day * HOURS_A_DAY - 1 };
}

/** The types that have events before their days. */
export async function typesBefore(days: KeptDays, counts: EventCounts): Promise<string[]> {
  const firstDay = daysOf(days);
  const totals = await counts.totals(hoursBefore(latestDay(days)));
  return totals
    .filter(({ eventType, firstHour }) => firstHour < firstDay(eventType) * HOURS_A_DAY)
    .map(({ eventType }) => eventType);
}

/** What tells the age of an event. */
export interface AgedEvent extends Pick<EventToStore, 'key' | 'eventType' | 'hour'> {
  /** As it was sent. */
  eventId: string;
}

/** Tells events that are kept from those that are too old: by their own time, or by an id that shows when it was made. */
export function keeps(days: KeptDays): (event: AgedEvent) => boolean {
  if (days.others === ALL_DAYS && days.types.length === 0) return () => true;
  const firstDay = daysOf(days);
  return ({ key, eventId, eventType, hour }) => {
    const first = firstDay(eventType);
    return Math.floor(hour / HOURS_A_DAY) >= first && !showsDayBefore({ key, eventId }, first);
  };
}

/** Whether an id shows that it was made before a day. A key that was derived from an id shows nothing. */
export function showsDayBefore({ key, eventId }: Pick<AgedEvent, 'key' | 'eventId'>, day: number): boolean {
  if (eventId.toLowerCase() !== key) return false;
  return (timeOfUuid(key) ?? Number.POSITIVE_INFINITY) < day * DAY_MS;
}
