// Which time is looked at, and in which intervals it is counted.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Back from now: the name in the address, what it is called, and how long it is. */
export const SPANS: [name: string, title: string, ms: number][] = [
  ['15m', '15 min', 15 * MINUTE_MS],
  ['1h', '1 hour', HOUR_MS],
  ['6h', '6 hours', 6 * HOUR_MS],
  ['24h', '24 hours', DAY_MS],
  ['7d', '7 days', 7 * DAY_MS],
  ['30d', '30 days', 30 * DAY_MS],
  ['90d', '90 days', 90 * DAY_MS],
];
const USUAL_SPAN = '24h';

const INTERVALS: [name: string, ms: number][] = [
  ['minute', MINUTE_MS],
  ['5minutes', 5 * MINUTE_MS],
  ['15minutes', 15 * MINUTE_MS],
  ['hour', HOUR_MS],
  ['day', DAY_MS],
];
/** More could not be told apart. */
const MOST_BARS = 170;

export interface Range {
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  /** The name of a span that ends now, whenever that is. */
  span: string | undefined;
  interval: string;
  intervalMs: number;
}

/** What the address says: two times, or one of them and as much as is usual, or a span up to now. */
export function rangeIn(parameters: URLSearchParams, now: number): Range {
  const time = (name: string) => Date.parse(parameters.get(name) ?? '');
  const [from, to] = [time('from'), time('to')];
  if (Number.isNaN(from) && Number.isNaN(to)) {
    const asked = parameters.get('last') ?? USUAL_SPAN;
    const [span, , ms] =
      SPANS.find(([name]) => name === asked) ?? SPANS.find(([name]) => name === USUAL_SPAN)!;
    const [interval, intervalMs] = intervalFor(ms);
    // The first interval is a whole one, and the last is the one that runs.
    return { from: Math.ceil((now - ms) / intervalMs) * intervalMs, to: now, span, interval, intervalMs };
  }
  const end = Number.isNaN(to) ? Math.max(now, from + MINUTE_MS) : to;
  const start = Number.isNaN(from) ? end - DAY_MS : from;
  const [interval, intervalMs] = intervalFor(end - start);
  return { from: start, to: end, span: undefined, interval, intervalMs };
}

function intervalFor(ms: number): [name: string, ms: number] {
  return INTERVALS.find(([, each]) => ms / each <= MOST_BARS) ?? INTERVALS.at(-1)!;
}

/** As addresses and the API have it. */
export function timesOf({ from, to }: { from: number; to: number }): [name: string, value: string][] {
  return [
    ['from', new Date(from).toISOString()],
    ['to', new Date(to).toISOString()],
  ];
}

/** As long, so many lengths later. */
export function shifted({ from, to }: Range, lengths: number): [name: string, value: string][] {
  const by = (to - from) * lengths;
  return timesOf({ from: from + by, to: to + by });
}

/** Twice as long, around the same middle, and not beyond now. */
export function widened({ from, to }: Range, now: number): [name: string, value: string][] {
  const half = (to - from) / 2;
  return timesOf({ from: from - half, to: Math.max(to, Math.min(to + half, now)) });
}
