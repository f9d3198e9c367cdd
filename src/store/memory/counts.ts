import {
  ALL_HOURS,
  type DayCount,
  type DayRange,
  type EventCounts,
  type EventToStore,
  HOUR_MS,
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
import { IntervalTally } from '../interval-tally.ts';
import type { MemoryEvents } from './events.ts';
import { compareBytes, SortedTexts } from './sorted-texts.ts';
import type { MemoryTimeOrder } from './time-order.ts';

const NO_EVENTS: UserTotal = { events: 0, first: null, latest: null };

interface CountedUser {
  events: number;
  /** Undefined after an event was removed, until somebody asks. */
  range: { first: number; latest: number } | undefined;
}

interface CountedHour extends HourCount, SequenceRange {}

/** Counts of events in memory. */
export class MemoryCounts implements EventCounts {
  readonly #events: MemoryEvents;
  readonly #byTime: MemoryTimeOrder;
  /** By hour, then type. */
  readonly #hours = new Map<number, Map<string, CountedHour>>();
  /** By dimension, day and value. */
  readonly #values = new Map<string, Map<number, Map<string, number>>>();
  /** By dimension. */
  readonly #known = new Map<string, SortedTexts>();
  readonly #users = new Map<string, CountedUser>();

  constructor(events: MemoryEvents, byTime: MemoryTimeOrder) {
    this.#events = events;
    this.#byTime = byTime;
  }

  /** Counts an event stored at a sequence higher than all before. */
  add({ eventType, userId, time, hour, counted }: EventToStore, sequence: number): void {
    const types = entry(this.#hours, hour, () => new Map());
    const count = entry(types, eventType, () => ({
      hour,
      eventType,
      events: 0,
      first: sequence,
      last: sequence,
    }));
    if (count.events === 0) this.#know(TYPE_DIMENSION, eventType);
    count.events++;
    count.last = sequence;
    const user = entry(this.#users, userId, () => ({ events: 0, range: { first: time, latest: time } }));
    user.events++;
    if (user.range !== undefined) {
      user.range.first = Math.min(user.range.first, time);
      user.range.latest = Math.max(user.range.latest, time);
    }
    const day = Math.floor(hour / HOURS_A_DAY);
    this.#addValue(USER_DIMENSION, day, userId);
    for (const [dimension, value] of counted) this.#addValue(dimension, day, value);
  }

  /** @param counted as it was given to `add` */
  remove(sequence: number, counted: EventToStore['counted']): void {
    const [userId, eventType] = [this.#events.userId(sequence), this.#events.eventType(sequence)];
    const hour = Math.floor(this.#events.time(sequence) / HOUR_MS);
    const types = this.#hours.get(hour)!;
    const count = types.get(eventType)!;
    if (--count.events === 0) types.delete(eventType);
    if (types.size === 0) this.#hours.delete(hour);
    if (!this.#hours.values().some((one) => one.has(eventType))) {
      this.#known.get(TYPE_DIMENSION)!.delete(eventType);
    }
    const user = this.#users.get(userId)!;
    user.range = undefined;
    if (--user.events === 0) this.#users.delete(userId);
    const day = Math.floor(hour / HOURS_A_DAY);
    this.#removeValue(USER_DIMENSION, day, userId);
    for (const [dimension, value] of counted) this.#removeValue(dimension, day, value);
  }

  async totals(hours: HourRange = ALL_HOURS): Promise<TypeTotal[]> {
    const counts = this.#within(hours);
    return [...Map.groupBy(counts, ({ eventType }) => eventType)]
      .map(([eventType, own]) => ({
        eventType,
        events: own.reduce((sum, { events }) => sum + events, 0),
        firstHour: own.reduce((first, { hour }) => Math.min(first, hour), Number.POSITIVE_INFINITY),
        lastHour: own.reduce((last, { hour }) => Math.max(last, hour), Number.NEGATIVE_INFINITY),
      }))
      .sort((a, b) => compareBytes(a.eventType, b.eventType));
  }

  async byHour(hours: HourRange): Promise<HourCount[]> {
    return this.#within(hours)
      .map(({ hour, eventType, events }) => ({ hour, eventType, events }))
      .sort((a, b) => a.hour - b.hour || compareBytes(a.eventType, b.eventType));
  }

  async distinctByDay(dimension: string, { from, to }: DayRange): Promise<DayCount[]> {
    return [...(this.#values.get(dimension) ?? [])]
      .filter(([day]) => day >= from && day <= to)
      .map(([day, values]) => ({ day, values: values.size }))
      .sort((a, b) => a.day - b.day);
  }

  async topValues(dimension: string, day: number, limit: number): Promise<ValueCount[]> {
    return [...(this.#values.get(dimension)?.get(day) ?? [])]
      .map(([value, events]) => ({ value, events }))
      .sort((a, b) => b.events - a.events || compareBytes(a.value, b.value))
      .slice(0, limit);
  }

  async valuesFrom(dimension: string, from: string, limit: number): Promise<string[]> {
    return this.#known.get(dimension)?.from(from, limit) ?? [];
  }

  async ofUser(userId: string): Promise<UserTotal> {
    const user = this.#users.get(userId);
    if (user === undefined) return NO_EVENTS;
    user.range ??= this.#rangeOf(userId);
    return { events: Math.min(user.events, MOST_COUNTED_OF_USER), ...user.range };
  }

  async sequenceRange(hours: HourRange): Promise<SequenceRange | undefined> {
    const counts = this.#within(hours);
    if (counts.length === 0) return undefined;
    return {
      first: counts.reduce((least, { first }) => Math.min(least, first), Number.POSITIVE_INFINITY),
      last: counts.reduce((most, { last }) => Math.max(most, last), 0),
    };
  }

  async byInterval(query: IntervalQuery): Promise<IntervalCounts> {
    const { after, before, limit, by } = query;
    const events = this.#events;
    const tally = new IntervalTally(query);
    for (const sequence of this.#byTime.between(after, before, 'asc')) {
      const [userId, eventType] = [events.userId(sequence), events.eventType(sequence)];
      if (query.userId !== undefined && query.userId !== userId) continue;
      if (query.eventType !== undefined && query.eventType !== eventType) continue;
      const value = by === undefined ? null : by === 'userId' ? userId : eventType;
      tally.add({ time: events.time(sequence), sequence }, value);
      if (tally.events === limit) break;
    }
    return tally.counts();
  }

  async occurrences({ eventType, after, before, limit }: OccurrenceQuery): Promise<Occurrence[]> {
    const events = this.#events;
    return this.#byTime
      .between(after, before, 'asc')
      .filter((sequence) => events.eventType(sequence) === eventType)
      .take(limit)
      .map((sequence) => ({ time: events.time(sequence), sequence, userId: events.userId(sequence) }))
      .toArray();
  }

  #rangeOf(userId: string): { first: number; latest: number } {
    const times = this.#byTime
      .all()
      .filter((sequence) => this.#events.userId(sequence) === userId)
      .map((sequence) => this.#events.time(sequence))
      .toArray();
    return { first: times[0]!, latest: times.at(-1)! };
  }

  /** A value that was not counted when its event was stored, by the settings of then, is left alone. */
  #removeValue(dimension: string, day: number, value: string): void {
    const days = this.#values.get(dimension);
    const values = days?.get(day);
    const events = values?.get(value);
    if (days === undefined || values === undefined || events === undefined) return;
    if (events > 1) values.set(value, events - 1);
    else values.delete(value);
    if (values.size === 0) days.delete(day);
    if (!days.values().some((one) => one.has(value))) this.#known.get(dimension)!.delete(value);
  }

  #addValue(dimension: string, day: number, value: string): void {
    const days = entry(this.#values, dimension, () => new Map());
    const values = entry(days, day, () => new Map());
    const events = values.get(value) ?? 0;
    if (events === 0) this.#know(dimension, value);
    values.set(value, events + 1);
  }

  /** @param value first seen in this day or hour, perhaps known from others */
  #know(dimension: string, value: string): void {
    entry(this.#known, dimension, () => new SortedTexts()).add(value);
  }

  #within({ from, to }: HourRange): CountedHour[] {
    return [...this.#hours.values()]
      .flatMap((types) => [...types.values()])
      .filter(({ hour }) => hour >= from && hour <= to);
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
