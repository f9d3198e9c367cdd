// In: a filter, a period and what to break down by. Out: exact counts of events per interval.
import { scalarAt, valueAt } from '../events/payload-path.ts';
import { rawMembers } from '../json/raw-json.ts';
import { searchSteps } from '../loop-turns.ts';
import {
  type CountedField,
  type EventStore,
  HOUR_MS,
  type IntervalCount,
  type IntervalQuery,
  type TimedEvent,
} from '../store/event-store.ts';
import {
  CountBudget,
  type CountLimits,
  expectKept,
  type Hours,
  keptCounts,
  wholeHours,
} from './count-budget.ts';
import { createPredicate, type EventFilter } from './event-query.ts';
import { type Series, SeriesTally } from './series-tally.ts';
import { readStepsByTime } from './time-query.ts';

/** Events counted in one step. A step of the SQLite store blocks everything else for some milliseconds. */
const STEP_EVENTS = 4000;

/** What to break down by: a field, or the path of a payload member. */
export type Dimension = CountedField | readonly string[];

export interface SeriesQuery extends EventFilter {
  from: number;
  to: number;
  by: Dimension | undefined;
  /** Length of an interval in milliseconds. */
  length: number;
  /** How many values to list. */
  top: number;
  /** Whether to count the previous period of the same length too. */
  withPrevious: boolean;
}

/** @throws ApiError `too_many_events` */
export async function countSeries(
  store: EventStore,
  query: SeriesQuery,
  limits: CountLimits,
): Promise<Series> {
  const { from, to, length, top, withPrevious } = query;
  const origin = Math.floor(from / length) * length;
  const tally = new SeriesTally(Math.ceil((to - origin) / length));
  const budget = new CountBudget(readsPayloads(query) ? 'read' : 'counted', tally, limits);
  const period = { ...query, origin };
  for await (const counts of countPeriod(store, period, budget)) {
    for (const { interval, value, events } of counts) tally.add(interval, value, events);
  }
  if (withPrevious) {
    const back = to - from;
    const previous = { ...period, from: from - back, to: from, origin: origin - back };
    for await (const counts of countPeriod(store, previous, budget)) {
      for (const { interval, value, events } of counts) tally.addPrevious(interval, value, events);
    }
  }
  return tally.result(top);
}

/** With the start of the first interval. */
export type SeriesPeriod = Pick<SeriesQuery, 'from' | 'to' | 'by' | 'length' | keyof EventFilter> & {
  origin: number;
};

export function readsPayloads({ payload, by }: Pick<SeriesQuery, 'payload' | 'by'>): boolean {
  return payload.length > 0 || Array.isArray(by);
}

/** Counts step by step. Each event counts once, however the period is divided. */
async function* countPeriod(
  store: EventStore,
  period: SeriesPeriod,
  budget: CountBudget,
): AsyncGenerator<IntervalCount[]> {
  const hours = keptHours(period);
  if (hours !== undefined) {
    const [begin, end] = [hours.from * HOUR_MS, hours.to * HOUR_MS];
    yield* scan(store, { ...period, to: begin }, budget);
    yield* readKept(store, period, hours, budget);
    yield* scan(store, { ...period, from: end }, budget);
    return;
  }
  if (period.userId === undefined) await expectKept(store, [period], budget);
  yield* scan(store, period, budget);
}

/** The hours that the store's counts by type can answer; undefined if there are none. */
function keptHours(period: SeriesPeriod): Hours | undefined {
  const { userId, by, origin, length } = period;
  const isByType = by === undefined || by === 'eventType';
  if (userId !== undefined || !isByType || readsPayloads(period)) return undefined;
  if (origin % HOUR_MS !== 0 || length % HOUR_MS !== 0) return undefined;
  const hours = wholeHours(period);
  return hours.from < hours.to ? hours : undefined;
}

async function* readKept(
  store: EventStore,
  { eventTypes, by, origin, length }: SeriesPeriod,
  hours: Hours,
  budget: CountBudget,
): AsyncGenerator<IntervalCount[]> {
  for await (const counts of keptCounts(store, hours, eventTypes, budget)) {
    yield counts.map(({ hour, eventType, events }) => ({
      interval: Math.floor((hour * HOUR_MS - origin) / length),
      value: by === undefined ? null : eventType,
      events,
    }));
  }
}

/** Of all events of a period, step by step, each once. */
export async function* scan(
  store: EventStore,
  period: SeriesPeriod,
  budget: CountBudget,
): AsyncGenerator<IntervalCount[]> {
  if (readsPayloads(period)) yield* scanPayloads(store, period, budget);
  else for (const source of sourcesOf(period)) yield* scanSource(store, period, source, budget);
}

/** Which events to read from an index, and how to count the values the store groups them by. */
interface Source extends Pick<IntervalQuery, 'userId' | 'eventType' | 'by'> {
  /** @returns undefined for values that were not asked for */
  toValue(value: string | null): string | null | undefined;
}

function sourcesOf({ userId, eventTypes, by }: SeriesPeriod): Source[] {
  if (userId !== undefined) {
    const types = eventTypes && new Set(eventTypes);
    const field = types || by === 'eventType' ? 'eventType' : undefined;
    const toValue = (value: string | null) => {
      if (types?.has(value!) === false) return undefined;
      return by === 'userId' ? userId : by === undefined ? null : value;
    };
    return [{ userId, by: field, toValue }];
  }
  const toValue = (value: string | null) => value;
  const field = by as CountedField | undefined;
  if (eventTypes === undefined) return [{ by: field, toValue }];
  return eventTypes.map((eventType) => ({ eventType, by: field, toValue }));
}

async function* scanSource(
  store: EventStore,
  { from, to, origin, length }: SeriesPeriod,
  { toValue, ...source }: Source,
  budget: CountBudget,
): AsyncGenerator<IntervalCount[]> {
  let after = { time: from, sequence: 0 };
  const before = { time: to, sequence: 0 };
  while (after.time < to && budget.isWanted) {
    await searchSteps.next();
    const step = { ...source, after, before, origin, length, limit: STEP_EVENTS };
    const { counts, last } = await store.counts.byInterval(step);
    if (last === undefined) return;
    after = last;
    yield counts.flatMap((count) => {
      const value = toValue(count.value);
      return value === undefined ? [] : [{ ...count, value }];
    });
    budget.spend(counts.reduce((sum, { events }) => sum + events, 0));
  }
}

async function* scanPayloads(
  store: EventStore,
  period: SeriesPeriod,
  budget: CountBudget,
): AsyncGenerator<IntervalCount[]> {
  const { origin, length, by } = period;
  // The range is already selected.
  const matches = createPredicate({ ...period, from: undefined, to: undefined });
  for await (const found of readStepsByTime(store, { ...period, order: 'asc' })) {
    if (!budget.isWanted) return;
    yield found.filter(matches).map((event) => ({
      interval: Math.floor((event.time - origin) / length),
      value: valueIn(event, by),
      events: 1,
    }));
    budget.spend(found.length);
  }
}

interface ReadEvent {
  userId: string;
  eventType: string;
  payload: unknown;
}

/** Values of payloads are as of `scalarAt`. */
function valueIn(event: TimedEvent, by: Dimension | undefined): string | null {
  if (by === undefined) return null;
  // Not through the predicate's cache: this is read only once.
  const { userId, eventType, payload } = JSON.parse(event.json) as ReadEvent;
  if (by === 'userId') return userId;
  if (by === 'eventType') return eventType;
  const path = by as readonly string[];
  // Only numbers need the raw text.
  const text = typeof valueAt(payload, path) === 'number' ? rawMembers(event.json).get('payload')! : '';
  return scalarAt(payload, path, text) ?? null;
}
