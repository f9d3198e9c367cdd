import type { Clock } from '../clock.ts';
import type { PartitionPosition } from '../store/event-store.ts';
import type { Poll } from './progress.ts';

/** Where a consumer stands in a partition in which it is doing nothing. */
export interface IdlePosition {
  topicId: string;
  epoch: number;
  /** By its last answer, what the store has. */
  stored: number | null;
  /** As of `PartitionPosition`. */
  rewound: number;
  /** First offset not processed yet. */
  next: number;
}

export type IdlePositions = ReadonlyMap<number, IdlePosition>;

export interface WatchdogOptions {
  clock: Clock;
  /** How long a partition may have records to read and not move. */
  stalledAfterMs: number;
  /** The store stands elsewhere than this consumer left it: in these partitions reading has to start over. */
  moved(partitions: readonly number[]): void;
  /** Nothing is delivered although there are records: the whole reading has to start over. */
  stalled(partitions: readonly number[]): void;
}

/**
 * Looks at what each poll of the progress found in the partitions that are held. Notices a store that went back in time
 * while nothing came in, and a reading that has gone silent: clients have failed that way, with every health check green.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #seen = new Map<number, { offset: number; sinceMs: number }>();
  #rows: readonly PartitionPosition[] = [];
  #stalled: number[] = [];

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** Partitions that had records and did not move when last looked at. */
  get stalledPartitions(): readonly number[] {
    return this.#stalled;
  }

  /**
   * @param poll with the partitions that were idle before it
   * @param now those that are idle now
   * @param isWorking while anything is being stored, silence has another cause
   */
  look({ held, ends, positions }: Poll<IdlePositions>, now: IdlePositions, isWorking: boolean): void {
    const before = this.#rows;
    this.#rows = positions ?? before;
    const unchanged = [...held].filter(([partition, was]) => isSame(was, now.get(partition)));
    const moved = unchanged
      .filter(([partition, was]) => {
        if (ends !== undefined && ends.topicId !== was.topicId) return true;
        return (
          positions !== undefined &&
          hasMoved(was, rowOf(positions, partition, was), rowOf(before, partition, was))
        );
      })
      .map(([partition]) => partition);
    if (moved.length > 0) this.#options.moved(moved);
    if (ends !== undefined) this.#lookForSilence(ends.ends, isWorking ? new Map() : now);
  }

  #lookForSilence(ends: ReadonlyMap<number, { stable: number }>, idle: IdlePositions): void {
    const { clock, stalledAfterMs } = this.#options;
    const time = clock.now();
    for (const partition of this.#seen.keys()) if (!idle.has(partition)) this.#seen.delete(partition);
    for (const [partition, { next }] of idle) {
      const hasRecords = (ends.get(partition)?.stable ?? next) > next;
      if (!hasRecords || this.#seen.get(partition)?.offset !== next) {
        this.#seen.set(partition, { offset: next, sinceMs: time });
      }
    }
    this.#stalled = [...this.#seen]
      .filter(([, { sinceMs }]) => time - sinceMs >= stalledAfterMs)
      .map(([partition]) => partition);
    if (this.#stalled.length === 0) return;
    this.#seen.clear();
    this.#options.stalled(this.#stalled);
  }
}

function isSame(was: IdlePosition, is: IdlePosition | undefined): boolean {
  if (is === undefined || is.topicId !== was.topicId) return false;
  return is.epoch === was.epoch && is.stored === was.stored && is.rewound === was.rewound;
}

function rowOf(
  rows: readonly PartitionPosition[],
  partition: number,
  { topicId }: IdlePosition,
): PartitionPosition | undefined {
  return rows.find((row) => row.partition === partition && row.topicId === topicId);
}

/** A claim of another member is that member's affair while it goes on; one that stands still has forgotten its partition. */
function hasMoved(
  { epoch, stored, rewound }: IdlePosition,
  row: PartitionPosition | undefined,
  before: PartitionPosition | undefined,
): boolean {
  if (row === undefined || row.epoch < epoch) return true;
  if (row.offset === stored && row.rewound === rewound) return false;
  return row.epoch === epoch || (before?.epoch === row.epoch && before.offset === row.offset);
}
