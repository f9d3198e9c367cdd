// Dates and times as people write them into queries and payloads.
import { eventTimeMs } from './event-time.ts';

const DATE = /^\d{4}-\d\d-\d\d$/;

/** Whether a text is a day that exists: JavaScript accepts 30 February. */
export function isDate(text: string): boolean {
  return DATE.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text);
}

/**
 * The moment of a date (its beginning) or of a date and time, in UTC where no zone is given.
 *
 * @returns milliseconds since 1970; undefined for other texts
 */
export function momentMs(text: string): number | undefined {
  const time = isDate(text) ? Date.parse(text) : eventTimeMs(text);
  return Number.isNaN(time) ? undefined : time;
}

/** The day of a time, in UTC, such as `2026-01-31`. */
export function dateOf(time: number): string {
  return new Date(time).toISOString().split('T', 1)[0]!;
}

/** In a query, the unencoded plus sign of a time zone arrives as a space. */
export function withPlus(text: string): string {
  return text.replace(/ (\d\d:\d\d)$/, '+$1');
}
