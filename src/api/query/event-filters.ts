// Query parameters that say which events are meant, read with a message for each that cannot be.

import { payloadPath } from '../../events/payload-path.ts';
import { type EventFilter, MAX_MS } from '../../query/event-query.ts';
import type { TimePlace } from '../../store/event-store.ts';
import type { QueryReader } from '../openapi/query-reader.ts';
import type { FILTERS } from '../openapi/reading-schemas.ts';

const MAX_PAYLOAD_FILTERS = 10;

/** `userId`, `eventType` (may repeat), `payload.MEMBER`, and `from` and `to` where they are known. */
export function readFilter(reader: QueryReader<typeof FILTERS>): EventFilter {
  const userId = reader.text('userId');
  const eventTypes = reader.texts('eventType');
  const from = reader.time('from');
  const to = reader.time('to');
  const names = reader.payloadNames();
  if (names.length > MAX_PAYLOAD_FILTERS) {
    reader.errors.push(`at most ${MAX_PAYLOAD_FILTERS} members of payloads may be given`);
  }
  const payload = names.map((name) => ({ path: payloadPath(name)!, value: reader.one(name) ?? '' }));
  return { userId, eventTypes: eventTypes && [...new Set(eventTypes)], from, to, payload };
}

/** A sequence as a text that another store does not take for its own. */
export function toCursor(storeId: string, sequence: number): string {
  return `${storeId}${sequence}`;
}

const CURSOR = /^(m[0-9a-f]{8}-)?(\d{1,15})$/;

/** @returns the storeId and the sequence; undefined for a text that is no cursor */
export function parseCursor(text: string): { storeId: string; sequence: number } | undefined {
  const [, storeId = '', sequence] = CURSOR.exec(text) ?? [];
  return sequence === undefined ? undefined : { storeId, sequence: Number(sequence) };
}

export type TimeOrder = 'time' | '-time';

/** A place in an order of time, as a text that neither another order nor another store takes for its own. */
export function toTimeCursor(storeId: string, order: TimeOrder, { time, sequence }: TimePlace): string {
  return `${storeId}${order}.${time}.${sequence}`;
}

const TIME_CURSOR = /^(m[0-9a-f]{8}-)?(-?time)\.(-?\d{1,16})\.(\d{1,15})$/;

/** @returns undefined for a text that is no cursor of this order */
export function parseTimeCursor(
  text: string,
  order: TimeOrder,
): { storeId: string; place: TimePlace } | undefined {
  const [, storeId = '', of, time, sequence] = TIME_CURSOR.exec(text) ?? [];
  if (of !== order || Math.abs(Number(time)) > MAX_MS) return undefined;
  return { storeId, place: { time: Number(time), sequence: Number(sequence) } };
}
