import type { History, Place, TopicRecord } from './check-history.ts';

/** What was in the log and is no longer, because the plan has deleted it or put the log back, and what became of it. */
export class Past {
  /** Processed before it left the log: it is stored for good. */
  readonly processed: TopicRecord[] = [];
  /** As of `History`. */
  readonly deleted: TopicRecord[] = [];
  readonly rewritten: TopicRecord[] = [];
  readonly gone: TopicRecord[] = [];
  readonly rewound: NonNullable<History['rewound']>[number][] = [];
  /** Where the positions of topics stand that were deleted when all of them was processed. */
  readonly ends: Place[] = [];
  uncounted = 0;

  /**
   * Records leave the log.
   *
   * @param positions of their partitions: what lies behind them is not processed
   * @param as what becomes of those
   */
  leave(records: readonly TopicRecord[], positions: readonly Place[], as: 'deleted' | 'gone'): void {
    for (const record of records) {
      const position = positions.find((one) => isSamePartition(one, record))?.offset ?? 0;
      this[record.offset < position ? 'processed' : as].push(record);
    }
  }

  /** The store has lost its events, or where reading stands: what the log no longer holds cannot be read again. */
  storeWasEmptied(what: 'events' | 'positions'): void {
    const lost = what === 'events' ? [this.processed, this.rewritten, this.deleted] : [this.deleted];
    for (const records of lost) this.gone.push(...records.splice(0));
    this.ends.length = 0;
    this.rewound.length = 0;
  }
}

export function isSamePartition(
  one: Omit<Place, 'offset'>,
  { topicId, partition }: Omit<Place, 'offset'>,
): boolean {
  return one.topicId === topicId && one.partition === partition;
}
