import type { LogRecord } from '../event-log.ts';
import { IS_CONTROL, IS_TRANSACTIONAL, type RecordsBatch } from './client.ts';
import type { FetchedPartition } from './fetch.ts';

/** Bit of a batch's attributes: the broker set the time (LogAppendTime), one for the whole batch. */
const IS_LOG_APPEND_TIME = 1 << 3;

/** The offset behind the last record or marker of a batch. */
export function offsetBehind({ firstOffset, lastOffsetDelta }: RecordsBatch): number {
  return Number(firstOffset) + lastOffsetDelta + 1;
}

/**
 * The records at or after an offset, without those of rolled-back transactions. The broker returns whole batches, so
 * the first may start before the requested offset.
 */
export function toRecords(fetched: FetchedPartition, fromOffset: number): LogRecord[] {
  return committed(fetched).flatMap((batch) => recordsOf(batch, fromOffset));
}

/**
 * The client drops rolled-back records only if the same response holds the end of their transaction; while another
 * transaction is open, a response may stop before that. This uses the list of aborted transactions in the response, as
 * Kafka's own client does. End markers are not records.
 */
function committed({ records, abortedTransactions }: FetchedPartition): RecordsBatch[] {
  const toBegin = [...(abortedTransactions ?? [])].sort((a, b) => Number(a.firstOffset - b.firstOffset));
  const rolledBack = new Set<bigint>();
  return (records ?? []).filter(({ attributes, producerId, firstOffset, lastOffsetDelta }) => {
    const lastOffset = firstOffset + BigInt(lastOffsetDelta);
    while (toBegin.length > 0 && toBegin[0]!.firstOffset <= lastOffset)
      rolledBack.add(toBegin.shift()!.producerId);
    if ((attributes & IS_CONTROL) !== 0) {
      rolledBack.delete(producerId);
      return false;
    }
    return (attributes & IS_TRANSACTIONAL) === 0 || !rolledBack.has(producerId);
  });
}

function recordsOf(batch: RecordsBatch, fromOffset: number): LogRecord[] {
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
