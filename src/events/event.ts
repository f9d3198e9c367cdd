import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { ApiError } from '../errors.ts';
import { isObject, type JsonObject, NOT_JSON, parseJson } from '../json/json-body.ts';
import { nestingErrors } from '../json/nesting.ts';
import { rawMembers } from '../json/raw-json.ts';
import type { Catalog } from './catalog.ts';
import { eventTimeMs, isDateTime } from './event-time.ts';
import type { Dated } from './retention-days.ts';
import { storableErrors } from './storable.ts';

export { isStorable, MAX_ID_LENGTH } from './storable.ts';

/** What a client sends. `payload` is the raw JSON text of an object. */
export interface NewEvent {
  userId: string;
  eventType: string;
  payload: string;
  /** Chosen by the client, a UUID: sending it again stores it once. */
  eventId?: string | undefined;
  /** Who chose the eventId, if callers have names and it was not derived from one (`callersUuid`). */
  caller?: string | undefined;
  /** When the event happened, ISO 8601 in UTC; default: the time it was accepted. */
  timestamp?: string | undefined;
  /** Raw JSON text of an object: members of another event format that have no counterpart here. */
  attributes?: string | undefined;
  /** Payload properties that may differ between copies of one event, for formats that allow that. */
  varying?: readonly string[] | undefined;
  /** Warnings about an event that is accepted. */
  warnings?: string[] | undefined;
}

/** A user-activity event. `timestamp` is ISO 8601; `payload` is the raw JSON text of an object. */
export interface UserEvent {
  eventId: string;
  userId: string;
  eventType: string;
  timestamp: string;
  payload: string;
  /** As of `NewEvent`. */
  attributes?: string | undefined;
}

/** The fields that `readNewEvent` keeps. */
const MEMBERS = ['eventId', 'userId', 'eventType', 'payload'];
const MAX_UNKNOWN_NAMES = 10;
const MAX_NAME_LENGTH = 50;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Reads a new event as sent by clients: the body of `POST /events/generate`, or one element of a batch.
 *
 * @param acceptsTimestamp whether the client's `timestamp` counts; otherwise it is ignored
 * @param caller the name of the sender, if callers have names
 * @throws ApiError `invalid_event` with one message per invalid field, in the order userId, eventType, payload,
 *    eventId, timestamp
 */
export function readNewEvent(
  { text, fields }: JsonObject,
  catalog: Catalog,
  { acceptsTimestamp, caller }: { acceptsTimestamp: boolean; caller?: string | undefined },
): NewEvent {
  const taken = acceptsTimestamp ? fields : { ...fields, timestamp: undefined };
  const event = checkNewEvent(taken, () => rawPayload(text, fields), catalog);
  const others = Object.keys(fields).filter(
    (name) => !MEMBERS.includes(name) && !(acceptsTimestamp && name === 'timestamp'),
  );
  const warnings = others.length === 0 ? event.warnings : [...(event.warnings ?? []), notKept(others)];
  return { ...event, caller: event.eventId === undefined ? undefined : caller, warnings };
}

/** Senders choose member names, which may have any length and type. */
function notKept(names: readonly string[]): string {
  const some = names
    .slice(0, MAX_UNKNOWN_NAMES)
    .map((name) => name.slice(0, MAX_NAME_LENGTH).toWellFormed())
    .join(', ');
  const more = names.length > MAX_UNKNOWN_NAMES ? ` and ${names.length - MAX_UNKNOWN_NAMES} more` : '';
  return `not kept, unless inside payload: ${some}${more}`;
}

/**
 * As `readNewEvent`, for events in other formats.
 *
 * @param rawText returns the raw JSON text of the payload; called only after the other fields are valid
 * @param types the known types: those of the catalog, or additional kinds of messages
 */
export function checkNewEvent(
  fields: Record<string, unknown>,
  rawText: () => string,
  catalog: Catalog,
  types: 'catalog' | 'messages' = 'catalog',
): NewEvent {
  const { userId, eventType, payload, eventId, timestamp } = fields;
  const isKnown = (type: string) => (types === 'messages' ? catalog.isRecorded(type) : catalog.has(type));
  const errors = fieldErrors(fields, isKnown, catalog.names);
  if (eventId !== undefined && (typeof eventId !== 'string' || !UUID.test(eventId))) {
    errors.push('eventId must be a UUID');
  }
  if (timestamp !== undefined && !isDateTime(timestamp)) {
    errors.push('timestamp must be an ISO 8601 date and time with a time zone');
  }
  if (errors.length === 0) errors.push(...catalog.retention.ageErrors(fields as unknown as Dated));
  const text = errors.length === 0 ? rawText() : '{}';
  errors.push(...nestingErrors({ payload: text }, catalog.maxLevels));
  const findings =
    errors.length === 0 ? catalog.check(eventType as string, payload ?? {}) : { errors, warnings: [] };
  if (findings.errors.length > 0) throw new ApiError('invalid_event', { details: findings.errors });
  return {
    userId: userId as string,
    eventType: eventType as string,
    payload: text,
    eventId: eventId === undefined ? undefined : (eventId as string).toLowerCase(),
    timestamp: timestamp === undefined ? undefined : new Date(timestamp as string).toISOString(),
    warnings: findings.warnings.length === 0 ? undefined : findings.warnings,
  };
}

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** Adds its id and the time it was accepted, ISO 8601, to a new event. */
export function buildEvent(event: NewEvent, newId: () => string, acceptedAt: string): UserEvent {
  const { userId, eventType, payload } = event;
  return {
    eventId: event.eventId ?? newId(),
    userId,
    eventType,
    timestamp: event.timestamp ?? acceptedAt,
    payload,
    attributes: event.attributes,
  };
}

/** The event as JSON text: members in contract order, payload and attributes unchanged byte for byte. */
export function encodeEvent(event: UserEvent): string {
  const attributes = event.attributes === undefined ? '' : `,"attributes":${event.attributes}`;
  return `{"eventId":${JSON.stringify(event.eventId)},"userId":${JSON.stringify(event.userId)},"eventType":${JSON.stringify(event.eventType)},"timestamp":${JSON.stringify(event.timestamp)},"payload":${event.payload}${attributes}}`;
}

export const REJECTION_REASONS = ['empty', 'not-json', 'invalid'] as const;

/** Why a record is not a valid event: `reason` is one of a closed list (a metric label), `detail` is for a person. */
export interface Rejection {
  reason: (typeof REJECTION_REASONS)[number];
  detail: string;
  /** The id in the record, if it has one. */
  eventId?: string;
}

/** An event as stored in the log. */
export interface DecodedEvent extends UserEvent {
  /** As of `encodeEvent`. */
  json: string;
  /** Its parsed payload. */
  members: Record<string, unknown>;
}

/** Reads the value of a log record, written by us or any other producer. Payloads were checked on arrival. */
export function decodeEvent(
  value: Buffer | null,
  catalog: Pick<Catalog, 'isRecorded' | 'names' | 'maxLevels'>,
): DecodedEvent | Rejection {
  if (value === null || value.length === 0) return { reason: 'empty', detail: 'the record has no value' };
  if (!isUtf8(value)) return { reason: 'not-json', detail: 'the value is not UTF-8' };
  const text = value.toString('utf8');
  const parsed = parseJson(text);
  if (parsed === NOT_JSON) return { reason: 'not-json', detail: 'the value is not JSON' };
  if (!isObject(parsed)) return { reason: 'invalid', detail: 'the value is not a JSON object' };
  const errors = [
    ...identityErrors(parsed),
    ...fieldErrors(parsed, (type) => catalog.isRecorded(type), catalog.names),
  ];
  const payload = rawPayload(text, parsed);
  const attributes = isObject(parsed.attributes) ? rawMembers(text).get('attributes') : undefined;
  errors.push(...nestingErrors({ payload, attributes }, catalog.maxLevels));
  const { eventId, timestamp, userId, eventType } = parsed as Record<string, string>;
  if (errors.length > 0) {
    const known = typeof eventId === 'string' && eventId !== '' ? { eventId } : {};
    return { reason: 'invalid', detail: errors.join('; '), ...known };
  }
  const event = {
    eventId: eventId!,
    userId: userId!,
    eventType: eventType!,
    timestamp: timestamp!,
    payload,
    attributes,
  };
  return {
    ...event,
    json: encodedAs(text, event),
    members: (parsed.payload ?? {}) as Record<string, unknown>,
  };
}

/**
 * The event's JSON text, usually identical to the record's. A concatenated string would keep each part in memory beside
 * the record's text until somebody flattens it.
 */
function encodedAs(text: string, event: UserEvent): string {
  const json = encodeEvent(event);
  return json === text ? text : Buffer.from(json).toString();
}

export function isRejection(decoded: DecodedEvent | Rejection): decoded is Rejection {
  return 'reason' in decoded;
}

/**
 * The id by which an event is deduplicated, as a lower-case UUID: the eventId itself if it is a UUID (in any case),
 * else 128 bits of its SHA-256, so that ids of other producers cost no more to index than ours.
 */
export function eventKey(eventId: string): string {
  if (UUID.test(eventId)) return eventId.toLowerCase();
  return asUuid(hash('sha256', eventId, 'hex'));
}

/** A UUID derived from texts, so that no instance needs to remember which one it assigned. */
export function derivedUuid(...texts: string[]): string {
  const hex = hash('sha256', texts.join('\u0000'), 'hex');
  // Version 8: a custom derivation.
  return asUuid(`${hex.slice(0, 12)}8${hex.slice(13, 16)}a${hex.slice(17)}`);
}

/** The first 128 bits, formatted as a UUID. */
function asUuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

function rawPayload(text: string, fields: Record<string, unknown>): string {
  return fields.payload === undefined ? '{}' : rawMembers(text).get('payload')!;
}

/** @param allowed the known names; undefined if any is accepted */
function fieldErrors(
  fields: Record<string, unknown>,
  isKnown: (eventType: string) => boolean,
  allowed: readonly string[] | undefined,
): string[] {
  const errors: string[] = [];
  const { userId, eventType, payload } = fields;
  if (typeof userId !== 'string' || userId === '') errors.push('userId is required and must be a string');
  else errors.push(...storableErrors('userId', userId));
  if (typeof eventType !== 'string' || eventType === '' || !isKnown(eventType)) {
    errors.push(
      `eventType is required and must be ${allowed ? `one of: ${allowed.join(', ')}` : 'a string'}`,
    );
  } else errors.push(...storableErrors('eventType', eventType));
  if (payload !== undefined && !isObject(payload)) errors.push('payload must be an object');
  return errors;
}

function identityErrors(fields: Record<string, unknown>): string[] {
  const errors: string[] = [];
  const { eventId, timestamp } = fields;
  if (typeof eventId !== 'string' || eventId === '') errors.push('eventId is required and must be a string');
  else errors.push(...storableErrors('eventId', eventId));
  if (typeof timestamp !== 'string' || Number.isNaN(eventTimeMs(timestamp))) {
    errors.push(
      'timestamp is required and must be an ISO 8601 date and time of a day that exists, in UTC or with a time zone',
    );
  }
  return errors;
}
