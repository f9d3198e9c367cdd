// Records of the dead-letter topic: how they are built from consumed records, and how to match them again.
import type { Rejection } from '../events/event.ts';
import type { LogBatch, LogRecord, NewRecord } from '../log/event-log.ts';

/** A consumed record that is not a valid event, and why. */
export interface RejectedRecord extends Rejection {
  record: LogRecord;
}

/** The partition a record was consumed from. */
type Origin = Pick<LogBatch, 'topic' | 'partition'>;

const ATTEMPT_HEADER = 'footfall-dlt-attempt';
/** The size in bytes that the dead-letter topic refused. */
export const LEFT_OUT_HEADER = 'footfall-dlt-left-out-bytes';
const TIMESTAMP_HEADER = 'kafka_dlt-original-timestamp';
const OWN_HEADERS = /^(kafka_dlt-|footfall-dlt-)/;

/** The headers of every dead letter, named as in spring-kafka so that its tools understand them; numbers are text. */
export type DeadLetterHeader = keyof ReturnType<typeof ownHeaders>;

/** The dead-letter topic of `topic`. */
export function deadLetterTopic(topic: string): string {
  return `${topic}.dlt`;
}

/**
 * A copy of a record for the dead-letter topic: key, value and headers unchanged, plus headers for origin and reason.
 */
export function deadLetterOf(group: string, origin: Origin, rejected: RejectedRecord): NewRecord {
  const { record } = rejected;
  return {
    topic: deadLetterTopic(origin.topic),
    key: record.key,
    value: record.value,
    headers: [...originalHeaders(record), ...Object.entries(ownHeaders(group, origin, rejected))],
  };
}

/**
 * As `deadLetterOf`, for a record that the dead-letter topic refuses: it holds the record's position and size and none
 * of its bytes. Its key is the position, since a compacted topic accepts no record without a key.
 */
export function referenceTo(group: string, origin: Origin, rejected: RejectedRecord): NewRecord {
  const { record } = rejected;
  return {
    topic: deadLetterTopic(origin.topic),
    key: `${origin.partition}:${record.offset}`,
    value: null,
    headers: [
      ...Object.entries(ownHeaders(group, origin, rejected)),
      [LEFT_OUT_HEADER, String(sizeOf(record))],
    ],
  };
}

/** Bytes of key, value and headers. */
export function sizeOf({ key, value, headers }: LogRecord): number {
  const headerBytes = headers.reduce(
    (bytes, [name, content]) => bytes + Buffer.byteLength(name) + (content?.length ?? 0),
    0,
  );
  return (key?.length ?? 0) + (value?.length ?? 0) + headerBytes;
}

/** Whether a dead letter holds none of its record's bytes (`referenceTo`). */
export function isReference(letter: LogRecord | undefined): letter is LogRecord {
  return letter !== undefined && headerOf(letter, LEFT_OUT_HEADER) !== undefined;
}

/**
 * Whether a dead letter belongs to the record at this position: a dead-letter topic that was truncated or recreated
 * holds others.
 */
export function isDeadLetterOf(
  { topic, partition, offset }: Origin & { offset: number },
  letter: LogRecord,
): boolean {
  return (
    headerOf(letter, 'kafka_dlt-original-topic') === topic &&
    headerOf(letter, 'kafka_dlt-original-partition') === String(partition) &&
    headerOf(letter, 'kafka_dlt-original-offset') === String(offset)
  );
}

/** Whether a record found at a reference's position is the original: a recreated log reuses offsets. */
export function isReferredTo(record: LogRecord, reference: LogRecord): boolean {
  return (
    String(sizeOf(record)) === headerOf(reference, LEFT_OUT_HEADER) &&
    String(record.timestamp) === headerOf(reference, TIMESTAMP_HEADER)
  );
}

/** The original record's headers. */
export function originalHeaders({ headers }: LogRecord): NewRecord['headers'] {
  return headers.filter(([name]) => !OWN_HEADERS.test(name));
}

/** The header of a redriven record, with the number of the attempt that failed before. */
export function attemptHeader(attempt: number): NewRecord['headers'][number] {
  return [ATTEMPT_HEADER, String(attempt)];
}

/** Which attempt at this record failed, starting at 1. */
export function attemptOf(record: LogRecord): number {
  const before = headerOf(record, ATTEMPT_HEADER) ?? '0';
  return (/^\d{1,9}$/.test(before) ? Number(before) : 0) + 1;
}

/** The last header of a name: ours come after those of the record. */
function headerOf({ headers }: LogRecord, wanted: string): string | undefined {
  return headers.findLast(([name]) => name === wanted)?.[1]?.toString();
}

function ownHeaders(group: string, { topic, partition }: Origin, { record, reason, detail }: RejectedRecord) {
  return {
    'kafka_dlt-original-topic': topic,
    'kafka_dlt-original-partition': String(partition),
    'kafka_dlt-original-offset': String(record.offset),
    [TIMESTAMP_HEADER]: String(record.timestamp),
    'kafka_dlt-original-timestamp-type': record.timestampType,
    'kafka_dlt-original-consumer-group': group,
    'kafka_dlt-exception-fqcn': 'footfall.RejectedRecord',
    'kafka_dlt-exception-cause-fqcn': 'footfall.RejectedRecord',
    'kafka_dlt-exception-message': detail,
    'kafka_dlt-exception-stacktrace': `footfall.RejectedRecord: ${detail}`,
    'footfall-dlt-reason': reason,
    [ATTEMPT_HEADER]: String(attemptOf(record)),
  } as const;
}
