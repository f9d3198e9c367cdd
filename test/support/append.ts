import { type EventLog, type NewRecord, type Receipt, unwrapReceipts } from '../../src/log/event-log.ts';

/** Appends records that only count together. @throws the first error among the results */
export async function appendTo(log: EventLog, records: readonly NewRecord[]): Promise<Receipt[]> {
  return unwrapReceipts(await log.append(records));
}
