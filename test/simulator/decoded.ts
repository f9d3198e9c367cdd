import { Catalog } from '../../src/events/catalog.ts';
import { decodeEvent, eventKey, isRejection } from '../../src/events/event.ts';
import type { LogRecord } from '../../src/log/event-log.ts';
import type { TopicRecord } from '../faults/check-history.ts';

const catalog = new Catalog();
const known = new WeakMap<LogRecord, TopicRecord['event']>();
/** By text: histories are full of the same events. */
const decoded = new Map<string, TopicRecord['event']>();
const MOST_TEXTS = 50_000;

/** The event in a record; undefined where it is none. */
export function eventIn(record: LogRecord): TopicRecord['event'] {
  if (known.has(record)) return known.get(record);
  const text = record.value?.toString('latin1') ?? '';
  if (!decoded.has(text)) {
    if (decoded.size >= MOST_TEXTS) decoded.clear();
    decoded.set(text, decode(record.value));
  }
  const event = decoded.get(text);
  known.set(record, event);
  return event;
}

function decode(value: LogRecord['value']): TopicRecord['event'] {
  const found = decodeEvent(value, catalog);
  if (isRejection(found)) return undefined;
  return { key: eventKey(found.eventId), userId: found.userId, json: found.json };
}
