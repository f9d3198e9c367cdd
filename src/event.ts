import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { FootfallError } from './errors.ts';
import { isObject, NOT_JSON, parseJson, parseJsonBody } from './json-body.ts';
import { rawMembers } from './raw-json.ts';

export const EVENT_TYPES = ['LOGIN', 'LOGOUT', 'PRODUCT_VIEW'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** What a client posts. `payload` is the raw JSON text of an object. */
export interface NewEvent {
  userId: string;
  eventType: EventType;
  payload: string;
}

/** A user-activity event. `timestamp` is ISO 8601; `payload` is the raw JSON text of an object. */
export interface UserEvent extends NewEvent {
  eventId: string;
  timestamp: string;
}

const MAX_ID_LENGTH = 255;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Reads the body of `POST /events/generate`.
 *
 * @throws FootfallError `body_missing`, `body_not_json`, `body_not_object`, or `invalid_event` with one message
 *   for each field at fault, in the order userId, eventType, payload
 */
export function parseNewEvent(body: Buffer | undefined): NewEvent {
  const { text, fields } = parseJsonBody(body);
  const errors = fieldErrors(fields);
  if (errors.length > 0) throw new FootfallError('invalid_event', { details: errors });
  return newEvent(text, fields);
}

/** Completes a new event with its identity and the time it was accepted. */
export function buildEvent(event: NewEvent, eventId: string, acceptedAt: Date): UserEvent {
  return { eventId, timestamp: acceptedAt.toISOString(), ...event };
}

/** The event as JSON text, members in contract order, the payload byte for byte as it came. */
export function encodeEvent(event: UserEvent): string {
  return `{"eventId":${JSON.stringify(event.eventId)},"userId":${JSON.stringify(event.userId)},"eventType":"${event.eventType}","timestamp":${JSON.stringify(event.timestamp)},"payload":${event.payload}}`;
}

/** Why a record is no event: `reason` is one of a closed list (a metric label), `detail` is for a person. */
export interface Rejection {
  reason: 'empty' | 'not-json' | 'invalid';
  detail: string;
}

/** Reads the value of a log record, written by us or by any other producer. */
export function decodeEvent(value: Buffer | null): UserEvent | Rejection {
  if (value === null || value.length === 0) return { reason: 'empty', detail: 'the record has no value' };
  if (!isUtf8(value)) return { reason: 'not-json', detail: 'the value is not UTF-8' };
  const text = value.toString('utf8');
  const parsed = parseJson(text);
  if (parsed === NOT_JSON) return { reason: 'not-json', detail: 'the value is not JSON' };
  if (!isObject(parsed)) return { reason: 'invalid', detail: 'the value is not a JSON object' };
  const errors = [...identityErrors(parsed), ...fieldErrors(parsed)];
  if (errors.length > 0) return { reason: 'invalid', detail: errors.join('; ') };
  const { eventId, timestamp } = parsed as { eventId: string; timestamp: string };
  return { eventId, timestamp, ...newEvent(text, parsed) };
}

export function isRejection(decoded: UserEvent | Rejection): decoded is Rejection {
  return 'reason' in decoded;
}

/**
 * The identity an event is deduplicated by, as a lower-case UUID: the eventId itself where it is a UUID (in any
 * case), else 128 bits of its SHA-256, so that ids of foreign producers cost no more to index than ours.
 */
export function eventKey(eventId: string): string {
  if (UUID.test(eventId)) return eventId.toLowerCase();
  const hex = hash('sha256', eventId, 'hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

function newEvent(text: string, parsed: Record<string, unknown>): NewEvent {
  const { userId, eventType } = parsed as { userId: string; eventType: EventType };
  const payload = parsed.payload === undefined ? '{}' : (rawMembers(text).get('payload') as string);
  return { userId, eventType, payload };
}

function fieldErrors(fields: Record<string, unknown>): string[] {
  const errors: string[] = [];
  const { userId, eventType, payload } = fields;
  if (typeof userId !== 'string' || userId === '') errors.push('userId is required and must be a string');
  else errors.push(...storableErrors('userId', userId));
  if (!EVENT_TYPES.includes(eventType as EventType)) {
    errors.push(`eventType is required and must be one of: ${EVENT_TYPES.join(', ')}`);
  }
  if (payload !== undefined && !isObject(payload)) errors.push('payload must be an object');
  return errors;
}

function identityErrors(fields: Record<string, unknown>): string[] {
  const errors: string[] = [];
  const { eventId, timestamp } = fields;
  if (typeof eventId !== 'string' || eventId === '') errors.push('eventId is required and must be a string');
  else errors.push(...storableErrors('eventId', eventId));
  if (typeof timestamp !== 'string' || Number.isNaN(Date.parse(timestamp))) {
    errors.push('timestamp is required and must be an ISO 8601 date and time');
  }
  return errors;
}

/** Texts that a Kafka key or a database column cannot hold as they are would come back changed: refused instead. */
function storableErrors(name: string, text: string): string[] {
  if (text.length > MAX_ID_LENGTH) return [`${name} must be at most ${MAX_ID_LENGTH} characters long`];
  if (text.includes('\u0000') || !text.isWellFormed()) {
    return [`${name} must not contain NUL characters or unpaired surrogates`];
  }
  return [];
}
