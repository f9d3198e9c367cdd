import type { LogRecord } from './event-log.ts';
import { IS_CONTROL, type RecordsBatch } from './kafka-client.ts';

/** Bit of a batch's attributes: the broker's clock counts, and one time holds for all of the batch. */
const IS_LOG_APPEND_TIME = 1 << 3;

/**
 * The records of a fetched batch from an offset on: a broker answers with whole batches, so the first may begin
 * before what was asked for. Transaction markers are no records.
 */
export function toRecords(batch: RecordsBatch, fromOffset: number): LogRecord[] {
  if ((batch.attributes & IS_CONTROL) !== 0) return [];
  const firstOffset = Number(batch.firstOffset);
  const firstTimestamp = Number(batch.firstTimestamp);
  const appendTime = (batch.attributes & IS_LOG_APPEND_TIME) !== 0 ? Number(batch.maxTimestamp) : undefined;
  const records: LogRecord[] = [];
  for (const { key, value, headers, offsetDelta, timestampDelta } of batch.records) {
    const offset = firstOffset + offsetDelta;
    if (offset < fromOffset) continue;
    records.push({
      offset,
      key,
      value,
      headers: headers.map(([name, content]) => [name?.toString() ?? '', content]),
      timestamp: appendTime ?? firstTimestamp + Number(timestampDelta),
      timestampType: appendTime === undefined ? 'CreateTime' : 'LogAppendTime',
    });
  }
  return records;
}
