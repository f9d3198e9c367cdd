import type { SequenceRange } from './event-store.ts';

/** Exact numbers of stored events: what came again is not counted again. */
export interface EventCounts {
  /** Of each type, and when the first and the last hour with events of it was. */
  totals(): Promise<TypeTotal[]>;

  /** Of each type in each of these hours, oldest first; hours without events are left out. */
  byHour(hours: HourRange): Promise<HourCount[]>;

  /** How many different values a dimension had on each of these days, oldest first; days without any are left out. */
  distinctByDay(dimension: string, days: DayRange): Promise<DayCount[]>;

  /** The values of a dimension with most events on a day, most first. */
  topValues(dimension: string, day: number, limit: number): Promise<ValueCount[]>;

  /** The sequences between which all events of these hours are; undefined when there are none. */
  sequenceRange(hours: HourRange): Promise<SequenceRange | undefined>;
}

/** Hours since 1970, UTC; both ends are included. */
export interface HourRange {
  from: number;
  to: number;
}

/** Days since 1970, UTC; both ends are included. */
export type DayRange = HourRange;

export interface HourCount {
  hour: number;
  eventType: string;
  events: number;
}

export interface TypeTotal {
  eventType: string;
  events: number;
  firstHour: number;
  lastHour: number;
}

export interface DayCount {
  day: number;
  values: number;
}

export interface ValueCount {
  value: string;
  events: number;
}

/** Of the hours and days that events are counted by. */
export const HOUR_MS = 3_600_000;
export const HOURS_A_DAY = 24;

/** What values are counted of beside the members of payloads: `payload.MEMBER`. */
export const USER_DIMENSION = 'userId';
