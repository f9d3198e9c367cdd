// In: a prefix. Out: values and properties of stored events that start with it.
import { isStorable } from '../events/event.ts';
import { scalarAt, valueAt } from '../events/payload-path.ts';
import { propertiesOf } from '../events/payload-properties.ts';
import { rawMembers } from '../json/raw-json.ts';
import { sharedTurn } from '../loop-turns.ts';
import type { EventStore } from '../store/event-store.ts';

/** How many of the latest events are searched; fewer if they are large. */
export const LATEST_EVENTS = 1000;
/** Of JSON, not counting the last event. */
const LATEST_BYTES = 500_000;
/** Of one event, which may have almost as many as it has bytes. */
const MOST_TEXTS = 1000;
/** After this much work, other requests get their turn. */
const TURN_BYTES = 10_000;

export interface Suggestion {
  value: string;
  /** How many of the latest events have it. */
  events?: number;
}

export interface Suggestions {
  values: Suggestion[];
  /** How many of the latest events were searched; null: all values ever stored. */
  latestEvents: number | null;
}

interface Typed {
  prefix: string;
  limit: number;
}

/** From the store's list of values, in byte order: typing more narrows it down, so every value can be reached. */
export async function knownValues(
  store: EventStore,
  dimension: string,
  { prefix, limit }: Typed,
): Promise<Suggestions> {
  const found = await store.counts.valuesFrom(dimension, prefix, limit);
  const values = found.filter((value) => value.startsWith(prefix)).map((value) => ({ value }));
  return { values, latestEvents: null };
}

/** From the latest events, most frequent first. */
export function latestValues(store: EventStore, path: readonly string[], typed: Typed): Promise<Suggestions> {
  const valuesOf = ({ payload, text }: LatestEvent) => {
    const isNumber = typeof valueAt(payload, path) === 'number';
    const value = scalarAt(payload, path, isNumber ? text() : '');
    return value === undefined ? [] : [value];
  };
  return latest(store, valuesOf, [], typed);
}

/** From the latest events, most frequent first; then those that are only described in the catalog. */
export function latestProperties(
  store: EventStore,
  described: readonly string[],
  typed: Typed,
): Promise<Suggestions> {
  return latest(store, ({ payload }) => propertiesOf(payload), described, typed);
}

interface LatestEvent {
  payload: unknown;
  /** The payload as sent. */
  text(): string;
}

async function latest(
  store: EventStore,
  textsOf: (event: LatestEvent) => Iterable<string>,
  described: readonly string[],
  { prefix, limit }: Typed,
): Promise<Suggestions> {
  const { latest: upTo } = await store.watermarks();
  const events = await store.read({
    order: 'desc',
    after: 0,
    upTo,
    limit: LATEST_EVENTS,
    bytes: LATEST_BYTES,
  });
  const counts = new Map<string, number>();
  const isMeant = (text: string) => text.startsWith(prefix) && isStorable(text);
  let sinceTurn = Number.POSITIVE_INFINITY;
  for (const { json } of events) {
    if (sinceTurn + json.length > TURN_BYTES) {
      await sharedTurn();
      sinceTurn = 0;
    }
    sinceTurn += json.length;
    const { payload } = JSON.parse(json) as { payload: unknown };
    const texts = Iterator.from(textsOf({ payload, text: () => rawMembers(json).get('payload')! }));
    for (const one of new Set(texts.take(MOST_TEXTS)))
      if (isMeant(one)) counts.set(one, (counts.get(one) ?? 0) + 1);
  }
  for (const one of described) if (isMeant(one) && !counts.has(one)) counts.set(one, 0);
  const values = [...counts]
    .map(([value, events]) => ({ value, events }))
    .sort((a, b) => b.events - a.events || (a.value < b.value ? -1 : 1))
    .slice(0, limit);
  return { values, latestEvents: events.length };
}
