import type { LogBatch } from '../log/event-log.ts';

/** Small batches that were read at once share a transaction of so many records. */
const SHARED_RECORDS = 1000;

/** What was read at once, in transactions: one for each large batch, and as few as can be for small ones. */
export function groupForTransactions(batches: readonly LogBatch[]): LogBatch[][] {
  const groups: LogBatch[][] = [];
  let records = Number.POSITIVE_INFINITY;
  for (const batch of batches) {
    records += batch.records.length;
    if (records > SHARED_RECORDS) {
      groups.push([]);
      records = batch.records.length;
    }
    groups.at(-1)!.push(batch);
  }
  return groups;
}
