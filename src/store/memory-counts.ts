import type {
  DayCount,
  DayRange,
  EventCounts,
  HourCount,
  HourRange,
  Span,
  StoredEvent,
  TypeTotal,
  ValueCount,
} from './event-store.ts';
import { type CountedHour, Tally } from './tally.ts';

/** Counts of events in memory. */
export class MemoryCounts implements EventCounts {
  readonly #tally = new Tally();

  add(event: StoredEvent, place: number): void {
    this.#tally.add(event, place);
  }

  async totals(): Promise<TypeTotal[]> {
    const counts = [...this.#tally.hours.values()].flatMap((types) => [...types.values()]);
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
    return [...(this.#tally.values.get(dimension) ?? [])]
      .filter(([day]) => day >= from && day <= to)
      .map(([day, values]) => ({ day, values: values.size }))
      .sort((a, b) => a.day - b.day);
  }

  async topValues(dimension: string, day: number, limit: number): Promise<ValueCount[]> {
    return [...(this.#tally.values.get(dimension)?.get(day) ?? [])]
      .map(([value, events]) => ({ value, events }))
      .sort((a, b) => b.events - a.events || compareBytes(a.value, b.value))
      .slice(0, limit);
  }

  async span(hours: HourRange): Promise<Span | undefined> {
    const counts = this.#within(hours);
    if (counts.length === 0) return undefined;
    return {
      first: counts.reduce((least, { first }) => Math.min(least, first), Number.POSITIVE_INFINITY),
      last: counts.reduce((most, { last }) => Math.max(most, last), 0),
    };
  }

  #within({ from, to }: HourRange): CountedHour[] {
    return [...this.#tally.hours.values()]
      .flatMap((types) => [...types.values()])
      .filter(({ hour }) => hour >= from && hour <= to);
  }
}

/** The order in which databases put texts that count the same. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
