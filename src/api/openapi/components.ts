// The named schemas of the OpenAPI document. Everything else refers to them by name, and so do generated clients.
import type { TSchema } from 'typebox';
import type { Catalog } from '../../events/catalog.ts';
import * as exploring from './exploring-schemas.ts';
import * as reading from './reading-schemas.ts';
import * as schemas from './schemas.ts';
import * as sending from './sending-schemas.ts';

/**
 * By name. Names are part of the contract: generated clients use them for their types.
 *
 * @param eventTypes those that can be sent, if the document may list them
 */
export function components(eventTypes: Catalog['names']): Record<string, TSchema> {
  return {
    NewEvent: schemas.newEventSchema(eventTypes),
    BatchEvent: schemas.batchEventSchema(eventTypes),
    Event: schemas.EVENT,
    Accepted: schemas.ACCEPTED,
    BatchResult: schemas.BATCH_RESULT,
    BatchAnswer: schemas.BATCH_ANSWER,
    EventState: schemas.EVENT_STATE,
    EventType: schemas.EVENT_TYPE,
    EventTypes: schemas.EVENT_TYPES,
    CloudEvent: sending.CLOUD_EVENT,
    SegmentMessage: sending.SEGMENT_MESSAGE,
    SegmentBatch: sending.SEGMENT_BATCH,
    SegmentAnswer: sending.SEGMENT_ANSWER,
    RejectedEvent: reading.REJECTED_EVENT,
    DuplicateEvents: reading.DUPLICATE_EVENTS,
    RejectedEvents: reading.REJECTED_EVENTS,
    StreamTicket: reading.TICKET,
    ValueCount: reading.VALUE_COUNT,
    Stats: reading.STATS,
    UserStats: reading.USER_STATS,
    Suggestions: reading.SUGGESTIONS,
    EventSeries: reading.EVENT_SERIES,
    EventDifference: exploring.EVENT_DIFFERENCE,
    Funnel: exploring.FUNNEL,
    ReturningUsers: exploring.RETURNING_USERS,
    Partition: reading.PARTITION,
    MetricsHistory: reading.METRICS_HISTORY,
    ConsumerGroups: reading.GROUPS,
    Retention: reading.RETENTION,
    DeadLetter: schemas.DEAD_LETTER,
    DeadLetters: schemas.DEAD_LETTERS,
    Bytes: schemas.BYTES,
    LogRecord: schemas.RECORD,
    DeadLetterWithRecord: schemas.DEAD_LETTER_WITH_RECORD,
    Redrive: schemas.REDRIVE,
    Redriven: schemas.REDRIVEN,
    Health: schemas.HEALTH,
    Dependency: schemas.DEPENDENCY,
    Readiness: schemas.READINESS,
    Problem: schemas.PROBLEM,
  };
}
