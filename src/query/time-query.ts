// In: a filter. Out: the stored events that match, in the order of their own times.
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

/** Events scanned in one step. */
const STEP_EVENTS = 1000;

export interface TimeQuery extends EventFilter {
  order: 'asc' | 'desc';
  /** The place of the last event seen. */
  cursor?: TimePlace | undefined;
}

/** The matching events, step by step. See `readStepsByTime`. */
export async function* searchByTime(
  store: EventStore,
  query: TimeQuery,
  limit = STEP_EVENTS,
): AsyncGenerator<ScanStep<TimedEvent, TimePlace>> {
  const matches = createPredicate(query);
  for await (const found of readStepsByTime(store, query, limit)) {
    yield { events: found.filter(matches), scannedUpTo: placeOf(found.at(-1)!) };
  }
}

/**
 * Reads the store step by step. Events stored meanwhile are found if their place is still ahead: no event is returned twice,
 * and none that was stored at the start is missed. Only indexed conditions are applied, so not all of these events match.
 */
export async function* readStepsByTime(
  store: EventStore,
  query: TimeQuery,
  limit = STEP_EVENTS,
): AsyncGenerator<TimedEvent[]> {
  const { order } = query;
  let range = rangeOf(query);
  let step = firstStep(limit);
  while (comesBefore(range.after, range.before)) {
    await searchSteps.next();
    const found = await store.readByTime({ ...indexedFilter(query), ...range, order, limit: step });
    const last = found.at(-1);
    if (last === undefined) return;
    yield found;
    step = nextStep(step, found, limit);
    range = goingOn(range, order, placeOf(last));
  }
}

/** The same search without events stored from now on at later times: an export ends, however slow its reader. */
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

/** Sequences start at 1, so this place is before all events of its time. */
function rangeOf({ from = MIN_MS, to = MAX_MS, order, cursor }: TimeQuery): Range {
  const range = { after: { time: from, sequence: 0 }, before: { time: to, sequence: 0 } };
  if (cursor === undefined) return range;
  // A cursor from a wider search may be outside.
  const isInside = order === 'asc' ? comesBefore(range.after, cursor) : comesBefore(cursor, range.before);
  return isInside ? goingOn(range, order, cursor) : range;
}

function goingOn(range: Range, order: 'asc' | 'desc', place: TimePlace): Range {
  return order === 'asc' ? { ...range, after: place } : { ...range, before: place };
}

export function comesBefore(a: TimePlace, b: TimePlace): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
}

function placeOf({ time, sequence }: TimePlace): TimePlace {
  return { time, sequence };
}
