// Ids that clients choose belong to whoever sent them: those of different callers never meet.

import { rawMembers } from '../json/raw-json.ts';
import { derivedUuid, eventKey } from './event.ts';

/** The name of its caller, in the record of an event whose eventId the caller chose. */
export const CALLER_HEADER = 'event-caller';

/**
 * The UUID an event is deduplicated by.
 *
 * @param caller who chose the eventId; undefined where it is Footfall's, or callers have no names
 */
export function callersKey(eventId: string, caller: string | undefined): string {
  const key = eventKey(eventId);
  return caller === undefined ? key : derivedUuid(CALLER_HEADER, caller, key);
}

/** The key of an event as it is in the log. @param headers of its record */
export function recordKey(
  eventId: string,
  headers: readonly (readonly [name: string, value: Buffer | null])[],
): string {
  return callersKey(eventId, headers.find(([name]) => name === CALLER_HEADER)?.[1]?.toString());
}

/**
 * An eventId made of texts that identify the event to its caller: always the same one for the same caller and texts,
 * and another one for anybody else.
 *
 * @param kind what the texts are, such as `cloudevents`
 */
export function callersUuid(caller: string | undefined, kind: string, ...texts: string[]): string {
  return derivedUuid(kind, JSON.stringify([caller ?? null, ...texts]));
}

/**
 * Whether two events of one key, as JSON texts of `encodeEvent`, are the same but for their times, their attributes and
 * some members of their payloads.
 */
export function isSameBut(one: string, other: string, varying: readonly string[]): boolean {
  const [first, second] = [rawMembers(one), rawMembers(other)];
  if (['userId', 'eventType'].some((name) => first.get(name) !== second.get(name))) return false;
  const payloads = [first, second].map((event) => rawMembers(event.get('payload')!));
  for (const name of varying) for (const payload of payloads) payload.delete(name);
  const [some, others] = payloads as [Map<string, string>, Map<string, string>];
  return some.size === others.size && [...some].every(([name, raw]) => others.get(name) === raw);
}
