import { Catalogue } from '../../src/events/catalogue.ts';
import { decodeEvent, eventKey, isRejection } from '../../src/events/event.ts';
import type { LogRecord } from '../../src/log/event-log.ts';
import type { TopicRecord } from '../faults/check-history.ts';

const catalogue = new Catalogue(undefined, false);
const known = new WeakMap<LogRecord, TopicRecord['event']>();

/** The event in a record; undefined where it is none. */
export function eventIn(record: LogRecord): TopicRecord['event'] {
  if (known.has(record)) return known.get(record);
  const decoded = decodeEvent(record.value, catalogue);
  const event = isRejection(decoded)
    ? undefined
    : { key: eventKey(decoded.eventId), userId: decoded.userId, json: decoded.json };
  known.set(record, event);
  return event;
}
