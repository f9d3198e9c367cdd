import type { SequenceRange, TimePlace } from './event-store.ts';

/** Exact numbers of stored events: duplicates are not counted. */
export interface EventCounts {
  /** By type, with the first and the last hour that has events of it; default: of all hours. */
  totals(hours?: HourRange): Promise<TypeTotal[]>;

  /** By type and hour, oldest first; hours without events are left out. */
  byHour(hours: HourRange): Promise<HourCount[]>;

  /** Number of distinct values of a dimension per day, oldest first; days without values are left out. */
  distinctByDay(dimension: string, days: DayRange): Promise<DayCount[]>;

  /** The values of a dimension with the most events on a day, in descending order. */
  topValues(dimension: string, day: number, limit: number): Promise<ValueCount[]>;

  /**
   * Values of a dimension that any event has had, each once, from a text on, in the order of their bytes in UTF-8. Costs what
   * it returns, however many there are.
   *
   * @param from as values are: without NUL characters and halves of surrogate pairs
   */
  valuesFrom(dimension: string, from: string, limit: number): Promise<string[]>;

  /** How many events a user has, up to `MOST_COUNTED_OF_USER`, and when the first and the latest of them happened. */
  ofUser(userId: string): Promise<UserTotal>;

  /** The range of sequences that contains all events of these hours; undefined if there are none. */
  sequenceRange(hours: HourRange): Promise<SequenceRange | undefined>;

  /**
   * Counts the first `limit` events between two places, in the order of their times. An event stored during the count is
   * counted if its place is still ahead.
   */
  byInterval(query: IntervalQuery): Promise<IntervalCounts>;

  /** The first `limit` events of a type between two places, in the order of their times: when, and of whom. */
  occurrences(query: OccurrenceQuery): Promise<Occurrence[]>;
}

/** What to look for between two places; both ends exclusive. */
export interface OccurrenceQuery {
  eventType: string;
  after: TimePlace;
  before: TimePlace;
  limit: number;
}

/** An event without its text. */
export interface Occurrence extends TimePlace {
  userId: string;
}

/** What to count between two places; both ends exclusive. */
export interface IntervalQuery {
  after: TimePlace;
  before: TimePlace;
  limit: number;
  /** Only events of this user. */
  userId?: string | undefined;
  /** Only events of this type; not together with `userId`. */
  eventType?: string | undefined;
  /** The dimension to group by; default: all events together. */
  by?: CountedField | undefined;
  /** Milliseconds since 1970: the start of the first interval; no counted event is earlier. */
  origin: number;
  /** Length of an interval in milliseconds. */
  length: number;
}

export type CountedField = 'userId' | 'eventType';

export interface IntervalCount {
  /** Counted from 0, the interval that begins at `origin`. */
  interval: number;
  /** Null if all events are counted together. */
  value: string | null;
  events: number;
}

export interface IntervalCounts {
  /** In no particular order. */
  counts: IntervalCount[];
  /** The place of the last event counted; undefined if there are none. */
  last: TimePlace | undefined;
}

/** Hours since 1970, UTC; both ends inclusive. */
export interface HourRange {
  from: number;
  to: number;
}

export const ALL_HOURS: HourRange = { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };

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

/** Events are counted one by one, so the count is capped: reading must not hold up storing. */
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

/** Sizes of the hours and days that events are counted by. */
export const HOUR_MS = 3_600_000;
export const HOURS_A_DAY = 24;
export const DAY_MS = HOURS_A_DAY * HOUR_MS;

/** Dimensions counted besides the payload properties (`payload.MEMBER`). */
export const USER_DIMENSION = 'userId';
/** Of `valuesFrom` only: its counts are those by type. */
export const TYPE_DIMENSION = 'eventType';
