import { HOURS_A_DAY, type HourCount, type Span, type StoredEvent, USER_DIMENSION } from './event-store.ts';

export interface CountedHour extends HourCount, Span {}

/** Numbers of events by hour and type, and by day and value of each dimension. */
export class Tally {
  /** By hour, then type. */
  readonly hours = new Map<number, Map<string, CountedHour>>();
  /** By dimension, day and value. */
  readonly values = new Map<string, Map<number, Map<string, number>>>();

  /** Counts an event that was stored at a place, which comes after the places of those before. */
  add({ eventType, userId, hour, counted }: StoredEvent, place: number): void {
    const types = entry(this.hours, hour, () => new Map());
    const count = entry(types, eventType, () => ({ hour, eventType, events: 0, first: place, last: place }));
    count.events++;
    count.last = place;
    const day = Math.floor(hour / HOURS_A_DAY);
    this.#addValue(USER_DIMENSION, day, userId);
    for (const [dimension, value] of counted) this.#addValue(dimension, day, value);
  }

  #addValue(dimension: string, day: number, value: string): void {
    const days = entry(this.values, dimension, () => new Map());
    const values = entry(days, day, () => new Map());
    values.set(value, (values.get(value) ?? 0) + 1);
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
