// The records of the dead-letter topic: how they are made of what was consumed, and told from it.
import type { Rejection } from '../events/event.ts';
import type { LogBatch, LogRecord, NewRecord } from '../log/event-log.ts';

/** A consumed record that is not a valid event, and why. */
export interface RejectedRecord extends Rejection {
  record: LogRecord;
}

/** The partition a record was consumed from. */
type Origin = Pick<LogBatch, 'topic' | 'partition'>;

const ATTEMPT_HEADER = 'footfall-dlt-attempt';
/** How many bytes the dead-letter topic refused. */
export const LEFT_OUT_HEADER = 'footfall-dlt-left-out-bytes';
const TIMESTAMP_HEADER = 'kafka_dlt-original-timestamp';
const OWN_HEADERS = /^(kafka_dlt-|footfall-dlt-)/;

/** The headers of every dead letter. The names are those of spring-kafka, whose tools then know ours; numbers are text. */
export type DeadLetterHeader = keyof ReturnType<typeof ownHeaders>;

/** The topic in which records of `topic` are set aside. */
export function deadLetterTopic(topic: string): string {
  return `${topic}.dlt`;
}

/** A copy of a record for the dead-letter topic: key, value and headers as they were, origin and reason in headers beside. */
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
 * As `deadLetterOf`, for a record that the dead-letter topic refuses: it says where the record is and how large, and has
 * nothing of its bytes. The key is its place, since a compacted topic takes no record without one.
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

/** Whether a dead letter has none of the bytes of its record (`referenceTo`). */
export function isReference(letter: LogRecord | undefined): letter is LogRecord {
  return letter !== undefined && headerOf(letter, LEFT_OUT_HEADER) !== undefined;
}

/** Whether a dead letter is of the record at this place: a dead-letter topic that was set back or made again has others. */
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

/** Whether a record, found where a reference says, is the one it was made of: offsets come again when a log is made again. */
export function isReferredTo(record: LogRecord, reference: LogRecord): boolean {
  return (
    String(sizeOf(record)) === headerOf(reference, LEFT_OUT_HEADER) &&
    String(record.timestamp) === headerOf(reference, TIMESTAMP_HEADER)
  );
}

/** The headers of the record that a dead letter was made of. */
export function originalHeaders({ headers }: LogRecord): NewRecord['headers'] {
  return headers.filter(([name]) => !OWN_HEADERS.test(name));
}

/** The header of a redriven record, which carries the number of the attempt that failed before. */
export function attemptHeader(attempt: number): NewRecord['headers'][number] {
  return [ATTEMPT_HEADER, String(attempt)];
}

/** Which attempt at this record has failed: 1 at first. */
export function attemptOf(record: LogRecord): number {
  const before = headerOf(record, ATTEMPT_HEADER) ?? '0';
  return (/^\d{1,9}$/.test(before) ? Number(before) : 0) + 1;
}

/** The last of a name: ours are behind those of the record. */
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
