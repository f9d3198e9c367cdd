import type { LogRecord } from '../event-log.ts';
import { type FetchResponse, IS_CONTROL, IS_TRANSACTIONAL, type RecordsBatch } from './client.ts';

/** Bit of a batch's attributes: the broker's clock counts, and one time holds for all of the batch. */
const IS_LOG_APPEND_TIME = 1 << 3;

/** What a fetch brought of one partition. */
export type FetchedPartition = FetchResponse['responses'][number]['partitions'][number];

/**
 * The records fetched from an offset on, without what transactions rolled back: a broker answers with whole batches,
 * so the first may begin before what was asked for.
 */
export function toRecords(fetched: FetchedPartition, fromOffset: number): LogRecord[] {
  return committed(fetched).flatMap((batch) => recordsOf(batch, fromOffset));
}

/**
 * The client leaves out what was rolled back only where the same answer holds the transaction's end; while another
 * transaction is open, an answer may stop before that. This goes by the list the broker sends along, as Kafka's own
 * client does. The ends themselves are no records.
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
