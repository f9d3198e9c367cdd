import type { Clock } from '../clock.ts';
import type { PartitionPosition } from '../store/event-store.ts';
import type { Poll } from './progress.ts';

/** A consumer's progress in a partition where it is idle. */
export interface IdlePosition {
  topicId: string;
  epoch: number;
  /** What the store has, according to its last answer. */
  stored: number | null;
  /** As of `PartitionPosition`. */
  rewound: number;
  /** First unprocessed offset. */
  next: number;
}

export type IdlePositions = ReadonlyMap<number, IdlePosition>;

interface WatchdogOptions {
  clock: Clock;
  /** How long a partition may have records to read without moving. */
  stalledAfterMs: number;
  /** The store's position differs from where this consumer left it: these partitions have to be reread. */
  moved(partitions: readonly number[]): void;
  /** Nothing is delivered although there are records: the whole subscription has to restart. */
  stalled(partitions: readonly number[]): void;
}

/**
 * Checks each progress poll for the partitions held. Detects a store that went back in time while no events arrived,
 * and a subscription that went silent: clients have failed that way with every health check green.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #seen = new Map<number, { offset: number; sinceMs: number }>();
  #rows: readonly PartitionPosition[] = [];
  #stalled: number[] = [];

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** Partitions that had records and had not moved at the last check. */
  get stalledPartitions(): readonly number[] {
    return this.#stalled;
  }

  /**
   * @param poll with the partitions that were idle before it started
   * @param now the partitions that are idle now
   * @param isWorking while anything is being stored, or a quota holds reading back, silence has another cause
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

/**
 * Another member's claim is left to that member while it progresses; one that stands still has forgotten its partition.
 */
function hasMoved(
  { epoch, stored, rewound }: IdlePosition,
  row: PartitionPosition | undefined,
  before: PartitionPosition | undefined,
): boolean {
  if (row === undefined || row.epoch < epoch) return true;
  if (row.offset === stored && row.rewound === rewound) return false;
  return row.epoch === epoch || (before?.epoch === row.epoch && before.offset === row.offset);
}
