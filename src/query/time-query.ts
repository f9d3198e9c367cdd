// In: what to look for. Out: the stored events that match, in the order of their own times.
import { searchSteps } from '../loop-turns.ts';
import type { EventStore, TimedEvent, TimePlace, TimeReadQuery } from '../store/event-store.ts';
import {
  collectPage,
  createPredicate,
  type EventFilter,
  firstStep,
  indexedFilter,
  MAX_MS,
  MIN_MS,
  nextStep,
  type PageLimits,
  type ScanStep,
  stepLimit,
} from './event-query.ts';

/** Events looked at in one step, as where they are read in the order of storing. */
const STEP_EVENTS = 1000;

export interface TimeQuery extends EventFilter {
  order: 'asc' | 'desc';
  /** Where the last event seen is. */
  cursor?: TimePlace | undefined;
}

/**
 * Looks through the store step by step. What is stored meanwhile is found where it lies ahead: no place is passed twice, and
 * none that had an event at the beginning is passed over.
 */
export async function* searchByTime(
  store: EventStore,
  query: TimeQuery,
  limit = STEP_EVENTS,
): AsyncGenerator<ScanStep<TimedEvent, TimePlace>> {
  const matches = createPredicate(query);
  const { order } = query;
  let range = rangeOf(query);
  let step = firstStep(limit);
  while (comesBefore(range.after, range.before)) {
    await searchSteps.next();
    const found = await store.readByTime({ ...indexedFilter(query), ...range, order, limit: step });
    const last = found.at(-1);
    if (last === undefined) return;
    const scannedUpTo = placeOf(last);
    yield { events: found.filter(matches), scannedUpTo };
    step = nextStep(step, found, limit);
    range = goingOn(range, order, scannedUpTo);
  }
}

/** The same search, but for what is stored at later times from now on: an export ends, however slow its reader. */
export async function upToLatest(store: EventStore, query: TimeQuery): Promise<TimeQuery> {
  if (query.order === 'desc') return query;
  const range = rangeOf(query);
  const [latest] = await store.readByTime({ ...indexedFilter(query), ...range, order: 'desc', limit: 1 });
  return { ...query, to: latest === undefined ? (query.from ?? MIN_MS) : latest.time + 1 };
}

export function readTimePage(store: EventStore, query: TimeQuery, limits: PageLimits) {
  return collectPage(searchByTime(store, query, stepLimit(query, limits.limit)), placeOf, limits);
}

type Range = Pick<TimeReadQuery, 'after' | 'before'>;

/** Sequences begin above 0: such a place is before all events of its time. */
function rangeOf({ from = MIN_MS, to = MAX_MS, order, cursor }: TimeQuery): Range {
  const range = { after: { time: from, sequence: 0 }, before: { time: to, sequence: 0 } };
  if (cursor === undefined) return range;
  // A cursor of a wider search may be outside.
  const isInside = order === 'asc' ? comesBefore(range.after, cursor) : comesBefore(cursor, range.before);
  return isInside ? goingOn(range, order, cursor) : range;
}

function goingOn(range: Range, order: 'asc' | 'desc', place: TimePlace): Range {
  return order === 'asc' ? { ...range, after: place } : { ...range, before: place };
}

function comesBefore(a: TimePlace, b: TimePlace): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
}

function placeOf({ time, sequence }: TimePlace): TimePlace {
  return { time, sequence };
}
