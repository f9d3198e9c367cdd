// In: a filter. Out: the stored events that match, in order, page by page.
import { eventTimeMs } from '../events/event-time.ts';
import { type PayloadCondition, payloadCheck } from '../events/payload-conditions.ts';
import { rawMembers } from '../json/raw-json.ts';
import { searchSteps } from '../loop-turns.ts';
import {
  type EventStore,
  HOUR_MS,
  LONGEST_RANGE_MS,
  type ReadFilter,
  type ReadQuery,
  type SequenceRange,
  type StoredEvent,
  type TimeRange,
  type Watermarks,
} from '../store/event-store.ts';

/** Events scanned in one step. A step of the SQLite store blocks everything else for some milliseconds. */
const STEP_EVENTS = 1000;
/** Events scanned in the first step, before their size is known. */
const FIRST_STEP_EVENTS = 16;
/** Target size of a step in characters: a single event may have a million. */
const STEP_CHARACTERS = 500_000;
/** A page with this many characters is full. */
const PAGE_CHARACTERS = 2_000_000;

/** Which events match; all given conditions must hold. */
export interface EventFilter {
  userId?: string | undefined;
  /** Any of these. */
  eventTypes?: readonly string[] | undefined;
  /** Milliseconds since 1970, by the event's own timestamp: `from` inclusive, `to` exclusive. */
  from?: number | undefined;
  to?: number | undefined;
  payload: readonly PayloadCondition[];
}

export interface EventQuery extends EventFilter {
  order: 'asc' | 'desc';
  /** The sequence of the last event seen, in this order. */
  cursor?: number | undefined;
}

/** Events found in one step, and how far the step went: a sequence, or a place in another order. */
export interface ScanStep<Event = StoredEvent, Place = number> {
  events: Event[];
  scannedUpTo: Place;
}

export interface PageLimits {
  limit: number;
  /** After which a page is returned although it is not full; its `next` continues the search. */
  patienceMs: number;
}

export interface Page {
  events: StoredEvent[];
  /** The cursor of the next page; undefined at the end. */
  next: number | undefined;
  /** How far this page has scanned, including its last event. */
  scannedUpTo: number;
}

/** Scans the store step by step. Oldest first, it stops before sequences that may still be filled in. */
export async function* search(
  store: EventStore,
  query: EventQuery,
  { watermarks, limit }: { watermarks?: Watermarks; limit?: number } = {},
): AsyncGenerator<ScanStep> {
  const matches = createPredicate(query);
  const { order, cursor } = query;
  const { latest, stable } = watermarks ?? (await store.watermarks());
  const range = await sequenceRangeOf(store, query);
  if (range === undefined) return;
  const times = fewHours(query);
  let after = range.first - 1;
  let upTo = Math.min(range.last, order === 'asc' ? stable : latest);
  if (cursor !== undefined && order === 'asc') after = Math.max(after, cursor);
  if (cursor !== undefined && order === 'desc') upTo = Math.min(upTo, cursor - 1);
  for await (const found of readSteps(store, { ...indexedFilter(query), times, order, after, upTo }, limit)) {
    yield { events: found.filter(matches), scannedUpTo: found.at(-1)!.sequence };
  }
}

/** The matching events, step by step. */
async function* readSteps(
  store: EventStore,
  { after, upTo, ...selected }: Omit<ReadQuery, 'limit'>,
  limit = STEP_EVENTS,
): AsyncGenerator<StoredEvent[]> {
  let step = firstStep(limit);
  while (after < upTo) {
    await searchSteps.next();
    const found = await store.read({ ...selected, after, upTo, limit: step });
    const last = found.at(-1);
    if (last === undefined) return;
    yield found;
    step = nextStep(step, found, limit);
    if (selected.order === 'asc') after = last.sequence;
    else upTo = last.sequence - 1;
  }
}

export function firstStep(limit: number): number {
  return Math.min(limit, FIRST_STEP_EVENTS);
}

/** Number of events for the next step to reach the target size, without growing too fast from one step to the next. */
export function nextStep(step: number, found: readonly StoredEvent[], most: number): number {
  const mean = charactersOf(found) / found.length;
  return Math.max(1, Math.min(most, step * 4, Math.floor(STEP_CHARACTERS / mean)));
}

function charactersOf(events: readonly StoredEvent[]): number {
  return events.reduce((sum, { json }) => sum + json.length, 0);
}

export async function readPage(store: EventStore, query: EventQuery, limits: PageLimits): Promise<Page> {
  const watermarks = await store.watermarks();
  const steps = search(store, query, { watermarks, limit: stepLimit(query, limits.limit) });
  const { events, next } = await collectPage(steps, ({ sequence }) => sequence, limits);
  return { events, next, scannedUpTo: next ?? Math.max(watermarks.stable, query.cursor ?? 0) };
}

/** If every event of a step matches, reading one more than requested tells whether there is a next page. */
export function stepLimit(query: EventFilter, limit: number): number {
  return isIndexed(query) ? Math.min(STEP_EVENTS, limit + 1) : STEP_EVENTS;
}

/** @returns what steps find until a page is full, and where the next one goes on; undefined at the end */
export async function collectPage<Event extends StoredEvent, Place>(
  steps: AsyncIterable<ScanStep<Event, Place>>,
  placeOf: (event: Event) => Place,
  { limit, patienceMs }: PageLimits,
): Promise<{ events: Event[]; next: Place | undefined }> {
  const endsAt = performance.now() + patienceMs;
  const events: Event[] = [];
  let characters = 0;
  for await (const step of steps) {
    events.push(...step.events);
    if (events.length > limit) return { events: events.slice(0, limit), next: placeOf(events[limit - 1]!) };
    characters += charactersOf(step.events);
    if (characters > PAGE_CHARACTERS || performance.now() > endsAt) return { events, next: step.scannedUpTo };
  }
  return { events, next: undefined };
}

/** Everything stored when the call was made, in storage order. */
export async function* readAll(store: EventStore): AsyncGenerator<StoredEvent[]> {
  const { latest } = await store.watermarks();
  yield* readSteps(store, { order: 'asc', after: 0, upTo: latest });
}

/** The conditions the store has an index for; the others are checked here, identically for every store. */
export function indexedFilter({ userId, eventTypes }: EventFilter): ReadFilter {
  return userId === undefined ? { eventTypes } : { userId };
}

function isIndexed(filter: EventFilter): boolean {
  const { userId, eventTypes, from, to, payload } = filter;
  const oneAtMost = userId === undefined || eventTypes === undefined;
  const isOfTime = (from === undefined && to === undefined) || fewHours(filter) !== undefined;
  return oneAtMost && isOfTime && payload.length === 0;
}

/** The times that the store has an index for in the order of storing. */
function fewHours({ userId, eventTypes, from, to }: EventFilter): TimeRange | undefined {
  if (userId !== undefined || eventTypes !== undefined || from === undefined || to === undefined)
    return undefined;
  return to > from && to - from <= LONGEST_RANGE_MS ? { from, to } : undefined;
}

interface ReadEvent extends Record<'userId' | 'eventType' | 'timestamp', string> {
  payload: unknown;
}

/** Cached parses of events that many stream readers look at. */
const readEvents = new WeakMap<StoredEvent, ReadEvent>();

function parseCached(event: StoredEvent): ReadEvent {
  const known = readEvents.get(event);
  if (known !== undefined) return known;
  const read = JSON.parse(event.json) as ReadEvent;
  readEvents.set(event, read);
  return read;
}

/** @returns whether an event matches */
export function createPredicate({
  userId,
  eventTypes,
  from,
  to,
  payload,
}: EventFilter): (event: StoredEvent) => boolean {
  const types = eventTypes && new Set(eventTypes);
  const checks = payload.map(payloadCheck);
  if (!userId && !types && from === undefined && to === undefined && payload.length === 0) return () => true;
  return (stored) => {
    const event = parseCached(stored);
    if (userId !== undefined && event.userId !== userId) return false;
    if (types && !types.has(event.eventType)) return false;
    const at = eventTimeMs(event.timestamp);
    if (from !== undefined && at < from) return false;
    if (to !== undefined && at >= to) return false;
    const text = () => rawMembers(stored.json).get('payload')!;
    return checks.every((meets) => meets(event.payload, text));
  };
}

/** Where events of that time are: by the hour. */
async function sequenceRangeOf(store: EventStore, filter: EventFilter): Promise<SequenceRange | undefined> {
  const { from, to } = filter;
  const isAnywhere = (from === undefined && to === undefined) || fewHours(filter) !== undefined;
  if (isAnywhere) return { first: 1, last: Number.MAX_SAFE_INTEGER };
  return store.counts.sequenceRange({
    from: Math.floor((from ?? MIN_MS) / HOUR_MS),
    to: Math.floor(((to ?? MAX_MS) - 1) / HOUR_MS),
  });
}

/** The first and the last moment a JavaScript Date can represent. */
export const MIN_MS = -8.64e15;
export const MAX_MS = 8.64e15;
