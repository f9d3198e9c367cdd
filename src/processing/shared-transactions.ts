import type { LogBatch } from '../log/event-log.ts';

/** Small batches read together share a transaction of up to this many records. */
const SHARED_RECORDS = 1000;

/** Groups batches read together into transactions: one per large batch, and as few as possible for small ones. */
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
