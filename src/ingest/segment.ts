// In: messages in the format of Segment's libraries. Out: new events.

import { ApiError } from '../errors.ts';
import { type Catalog, MESSAGE_TYPES, type MessageType } from '../events/catalog.ts';
import { checkNewEvent, type NewEvent } from '../events/event.ts';
import { callersUuid } from '../events/event-ids.ts';
import { isDateTime } from '../events/event-time.ts';
import { isObject, type JsonObject } from '../json/json-body.ts';
import { rawMembers } from '../json/raw-json.ts';

/** Added by the libraries on each delivery, so copies with one `messageId` may differ in these. */
const VARYING = ['sentAt', 'context', 'integrations', '_metadata'];
/** Members that a batch may set for all its messages. */
const SHARED = ['context', 'integrations'];

/**
 * Reads one message. The eventType is the kind of message; for a track message it is its `event`, if the catalog has a
 * type of that name. The userId is `userId`, else `anonymousId`; the eventId is derived from `messageId` and the
 * caller. The payload is the whole message, including its name, properties, traits and context.
 *
 * @param kind from the path; if absent, the message's own `type`
 * @throws ApiError `invalid_event`
 */
export function readSegmentMessage(
  { text, fields }: JsonObject,
  kind: MessageType | undefined,
  catalog: Catalog,
  caller: string | undefined,
): NewEvent {
  const type = kind ?? fields.type;
  const errors = messageErrors(type, fields);
  if (errors.length > 0) throw new ApiError('invalid_event', { details: errors });
  const { event, timestamp, originalTimestamp } = fields;
  const messageId = nonEmpty(fields.messageId);
  const isNamed = type === 'track' && catalog.has(event as string);
  const read = {
    userId: nonEmpty(fields.userId) ?? nonEmpty(fields.anonymousId),
    eventType: isNamed ? event : type,
    payload: fields,
    eventId: messageId === undefined ? undefined : callersUuid(caller, 'segment', messageId),
    // Invalid dates come from clocks and libraries that nobody here can fix, so the time of arrival counts.
    timestamp: [timestamp, originalTimestamp].find(isDateTime),
  };
  return { ...checkNewEvent(read, () => text, catalog, 'messages'), varying: VARYING };
}

function messageErrors(type: unknown, { event, userId, anonymousId }: Record<string, unknown>): string[] {
  const errors: string[] = [];
  if (!MESSAGE_TYPES.includes(type as MessageType)) {
    errors.push(`type is required and must be one of: ${MESSAGE_TYPES.join(', ')}`);
  }
  if (type === 'track' && (typeof event !== 'string' || event === '')) {
    errors.push('event is required in a track message: its name');
  }
  if (nonEmpty(userId) === undefined && nonEmpty(anonymousId) === undefined) {
    errors.push('userId or anonymousId is required');
  }
  return errors;
}

/** Libraries send an empty string or null for "no user", and some send numbers as user ids. */
function nonEmpty(id: unknown): string | undefined {
  if (Number.isSafeInteger(id)) return String(id);
  return typeof id === 'string' && id !== '' ? id : undefined;
}

/**
 * Reads the members that a batch sets for all its messages.
 *
 * @param maxBytes of all messages with these members added: a small batch could become a large one
 * @returns a function that adds them to a message unless it sets them itself; throws ApiError `batch_too_large`
 */
export function sharedByBatch(
  { text, fields }: JsonObject,
  maxBytes: number,
): (message: JsonObject) => JsonObject {
  const names = SHARED.filter((name) => isObject(fields[name]));
  if (names.length === 0) return (message) => message;
  const members = rawMembers(text);
  const shared = names.map((name) => [name, rawMembers(members.get(name)!)] as const);
  const sharedBytes = names.reduce((bytes, name) => bytes + members.get(name)!.length, 0);
  let bytes = 0;
  return (message) => {
    bytes += sharedBytes + message.text.length;
    if (bytes > maxBytes) throw new ApiError('batch_too_large');
    return withMembers(message, shared);
  };
}

type Members = ReadonlyMap<string, string>;

function withMembers(
  { text, fields }: JsonObject,
  shared: readonly (readonly [string, Members])[],
): JsonObject {
  const members = rawMembers(text);
  for (const [name, common] of shared) {
    const own = fields[name] ?? {};
    if (!isObject(own)) continue;
    const raw = fields[name] === undefined || fields[name] === null ? '{}' : members.get(name)!;
    members.set(name, joinMembers(new Map([...common, ...rawMembers(raw)])));
  }
  const joined = joinMembers(members);
  return { text: joined, fields: JSON.parse(joined) as Record<string, unknown> };
}

function joinMembers(members: Members): string {
  return `{${[...members].map(([name, raw]) => `${JSON.stringify(name)}:${raw}`).join()}}`;
}
