// Ids chosen by clients are scoped to their caller: those of different callers never collide.

import { rawMembers } from '../json/raw-json.ts';
import { derivedUuid, eventKey } from './event.ts';

/** The record header with the name of the caller, if the caller chose the eventId. */
export const CALLER_HEADER = 'event-caller';

/**
 * The UUID by which an event is deduplicated.
 *
 * @param caller who chose the eventId; undefined if Footfall did, or callers have no names
 */
export function callersKey(eventId: string, caller: string | undefined): string {
  const key = eventKey(eventId);
  return caller === undefined ? key : derivedUuid(CALLER_HEADER, caller, key);
}

/** The key of an event as stored in the log. @param headers of its record */
export function recordKey(
  eventId: string,
  headers: readonly (readonly [name: string, value: Buffer | null])[],
): string {
  return callersKey(eventId, headers.find(([name]) => name === CALLER_HEADER)?.[1]?.toString());
}

/**
 * An eventId derived from texts that identify the event to its caller: always the same for the same caller and texts,
 * and a different one for any other caller.
 *
 * @param kind what the texts are, such as `cloudevents`
 */
export function callersUuid(caller: string | undefined, kind: string, ...texts: string[]): string {
  return derivedUuid(kind, JSON.stringify([caller ?? null, ...texts]));
}

/**
 * Whether two events with the same key, as JSON texts of `encodeEvent`, are equal except for their times, their
 * attributes and certain payload properties.
 */
export function isSameBut(one: string, other: string, varying: readonly string[]): boolean {
  const [first, second] = [rawMembers(one), rawMembers(other)];
  if (['userId', 'eventType'].some((name) => first.get(name) !== second.get(name))) return false;
  const payloads = [first, second].map((event) => rawMembers(event.get('payload')!));
  for (const name of varying) for (const payload of payloads) payload.delete(name);
  const [some, others] = payloads as [Map<string, string>, Map<string, string>];
  return some.size === others.size && [...some].every(([name, raw]) => others.get(name) === raw);
}
