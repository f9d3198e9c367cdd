import type { SequenceRange } from './event-store.ts';

/** Exact numbers of stored events: duplicates are not counted. */
export interface EventCounts {
  /** By type, with the first and the last hour that has events of it. */
  totals(): Promise<TypeTotal[]>;

  /** By type and hour, oldest first; hours without events are left out. */
  byHour(hours: HourRange): Promise<HourCount[]>;

  /** Number of distinct values of a dimension per day, oldest first; days without values are left out. */
  distinctByDay(dimension: string, days: DayRange): Promise<DayCount[]>;

  /** The values of a dimension with the most events on a day, in descending order. */
  topValues(dimension: string, day: number, limit: number): Promise<ValueCount[]>;

  /** How many events a user has, up to `MOST_COUNTED_OF_USER`, and when the first and the latest of them happened. */
  ofUser(userId: string): Promise<UserTotal>;

  /** The range of sequences that contains all events of these hours; undefined if there are none. */
  sequenceRange(hours: HourRange): Promise<SequenceRange | undefined>;
}

/** Hours since 1970, UTC; both ends inclusive. */
export interface HourRange {
  from: number;
  to: number;
}

/** Days since 1970, UTC; both ends inclusive. */
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

/** Counted one by one, so the count ends somewhere: reading must not hold up storing. */
export const MOST_COUNTED_OF_USER = 100_000;

export interface UserTotal {
  events: number;
  /** Milliseconds since 1970; null without events. */
  first: number | null;
  latest: number | null;
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

/** Dimensions counted besides the payload properties (`payload.MEMBER`). */
export const USER_DIMENSION = 'userId';
