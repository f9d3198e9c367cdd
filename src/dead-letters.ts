import type { Rejection } from './event.ts';
import type { EventLog, LogBatch, LogRecord } from './log/event-log.ts';
import type { DeadLetterEntry } from './store/event-store.ts';

/** A consumed record that is no event, and why. */
export interface RejectedRecord extends Rejection {
  record: LogRecord;
}

/** The topic in which records of `topic` are set aside. */
export function deadLetterTopic(topic: string): string {
  return `${topic}.dlt`;
}

/**
 * Copies records to the dead-letter topic, their bytes unchanged, with their origin and the reason in headers
 * (the names of spring-kafka's dead letters). Resolves once they are durable there; the position of the partition
 * may move only after that.
 *
 * @returns the index entries for the store, in the same order
 * @throws as `EventLog.append`; copying again is safe, the store indexes each origin once
 */
export async function setAside(
  log: EventLog,
  group: string,
  batch: Pick<LogBatch, 'topic' | 'partition'>,
  rejected: readonly RejectedRecord[],
): Promise<DeadLetterEntry[]> {
  if (rejected.length === 0) return [];
  const receipts = await log.append(
    rejected.map(({ record, reason, detail }) => ({
      topic: deadLetterTopic(batch.topic),
      key: record.key,
      value: record.value,
      headers: [
        ...record.headers,
        ['kafka_dlt-original-topic', batch.topic],
        ['kafka_dlt-original-partition', String(batch.partition)],
        ['kafka_dlt-original-offset', String(record.offset)],
        ['kafka_dlt-original-timestamp', String(record.timestamp)],
        ['kafka_dlt-original-consumer-group', group],
        ['kafka_dlt-exception-fqcn', reason],
        ['kafka_dlt-exception-message', detail],
      ],
    })),
  );
  return rejected.map(({ record, reason, detail }, at) => ({
    offset: record.offset,
    reason,
    detail,
    deadLetterPartition: receipts[at]!.partition,
    deadLetterOffset: receipts[at]!.offset,
  }));
}
