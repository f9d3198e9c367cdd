import { DAY_MS, HOUR_MS } from './event-counts.ts';

/** Milliseconds since 1970, `to` excluded. */
export interface TimeRange {
  from: number;
  to: number;
}

/** Each hour of `times` in `ReadQuery` is searched by itself. */
export const LONGEST_RANGE_MS = 7 * DAY_MS;

/** The hours since 1970 that a range touches. Rounds towards 0, as SQL does: the hours before and after 1970 are one. */
export function hoursOf({ from, to }: TimeRange): number[] {
  const first = Math.trunc(from / HOUR_MS);
  const hours = Math.trunc((to - 1) / HOUR_MS) - first + 1;
  return Array.from({ length: hours }, (_, at) => first + at);
}
