// Query parameters that select events. Each invalid one gets a message.

import type { TProperties } from 'typebox';
import {
  isPayloadOperator,
  PAYLOAD_OPERATORS,
  type PayloadCondition,
  splitCondition,
  YES_OR_NO,
} from '../../events/payload-conditions.ts';
import { type EventFilter, MAX_MS } from '../../query/event-query.ts';
import { DAY_MS, type TimePlace } from '../../store/event-store.ts';
import type { QueryReader } from '../openapi/query-reader.ts';
import type { FILTERS } from '../openapi/reading-schemas.ts';

const MAX_PAYLOAD_FILTERS = 10;

const OPERATORS = PAYLOAD_OPERATORS.map((operator) => `[${operator}]`).join(', ');

/** `userId`, `eventType` (may repeat), `payload.MEMBER[OPERATOR]`, and `from` and `to` where they are known. */
export function readFilter(reader: QueryReader<typeof FILTERS>): EventFilter {
  const userId = reader.text('userId');
  const eventTypes = reader.texts('eventType');
  const from = reader.time('from');
  const to = reader.time('to');
  const payload = readPayload(reader);
  return { userId, eventTypes: eventTypes && [...new Set(eventTypes)], from, to, payload };
}

type Reader = Pick<QueryReader<TProperties>, 'payloadNames' | 'one' | 'errors'>;

/** `payload.MEMBER[OPERATOR]`. */
export function readPayload(reader: Reader): PayloadCondition[] {
  return readPayloads(reader, [''])[0]!;
}

/** The same for each of several, such as `step1.payload.MEMBER[OPERATOR]`. @param prefixes of the names */
export function readPayloads(reader: Reader, prefixes: readonly string[]): PayloadCondition[][] {
  const names = prefixes.map((prefix) => reader.payloadNames(prefix));
  if (names.flat().length > MAX_PAYLOAD_FILTERS) {
    reader.errors.push(`at most ${MAX_PAYLOAD_FILTERS} conditions on payloads may be given`);
  }
  return names.map((own, at) => own.flatMap((name) => readCondition(reader, name, prefixes[at]!)));
}

const SECOND_MS = 1000;

/** Every ten days of a range cost a call to the store, also without events. */
const LONGEST_DAYS = 3660;

interface RangeLimit {
  /** The length of the range. */
  length: number;
  most: number;
  /** What the length counts. */
  unit: string;
}

const inDays = (ms: number): RangeLimit => ({ length: ms / DAY_MS, most: LONGEST_DAYS, unit: 'days' });

/** Checks a range that is counted. @param names of its parameters */
export function checkRange(
  errors: string[],
  from: number,
  to: number,
  { length, most, unit } = inDays(to - from),
  [first, last] = ['from', 'to'],
): void {
  if (from >= to) errors.push(`${first} must be before ${last}`);
  if (length > most) errors.push(`there may be at most ${most} ${unit} between ${first} and ${last}`);
}

/** Where a range ends if that is not said: with this second, in which an event may have been stored. */
export function endOfRange(now: Date): number {
  return Math.floor(now.getTime() / SECOND_MS + 1) * SECOND_MS;
}

/** @returns none with an error */
function readCondition(reader: Reader, name: string, prefix: string): PayloadCondition[] {
  const { path, operator } = splitCondition(name.slice(prefix.length));
  const value = reader.one(name) ?? '';
  if (!isPayloadOperator(operator)) {
    reader.errors.push(
      `${name}: there is no operator [${operator}], but ${OPERATORS}; a member whose name ends like that is ${name}[eq]`,
    );
    return [];
  }
  if (YES_OR_NO.includes(operator) && value !== 'true' && value !== 'false') {
    reader.errors.push(`${name} must be true or false`);
  }
  return [{ path, operator, value }];
}

/** A sequence as text; another store does not mistake it for one of its own. */
export function toCursor(storeId: string, sequence: number): string {
  return `${storeId}${sequence}`;
}

const CURSOR = /^(m[0-9a-f]{8}-)?(\d{1,15})$/;

/** @returns the storeId and the sequence; undefined if the text is not a cursor */
export function parseCursor(text: string): { storeId: string; sequence: number } | undefined {
  const [, storeId = '', sequence] = CURSOR.exec(text) ?? [];
  return sequence === undefined ? undefined : { storeId, sequence: Number(sequence) };
}

type TimeOrder = 'time' | '-time';

/** A place in the order of time, as text; neither another order nor another store mistakes it for its own. */
export function toTimeCursor(storeId: string, order: TimeOrder, { time, sequence }: TimePlace): string {
  return `${storeId}${order}.${time}.${sequence}`;
}

const TIME_CURSOR = /^(m[0-9a-f]{8}-)?(-?time)\.(-?\d{1,16})\.(\d{1,15})$/;

/** @returns the storeId and the place; undefined if the text is not a cursor of this order */
export function parseTimeCursor(
  text: string,
  order: TimeOrder,
): ({ storeId: string } & TimePlace) | undefined {
  const [, storeId = '', of, time, sequence] = TIME_CURSOR.exec(text) ?? [];
  if (of !== order || Math.abs(Number(time)) > MAX_MS) return undefined;
  return { storeId, time: Number(time), sequence: Number(sequence) };
}
