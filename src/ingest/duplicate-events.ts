// In: events sent again under an id already accepted. Out: the latest of them, so that each outcome can be seen.
import type { Clock } from '../clock.ts';

/** An event that came again. */
export interface Duplicate {
  eventId: string;
  userId: string;
  eventType: string;
  /** Name of the caller; undefined where callers have no names, and in the log. */
  caller?: string | undefined;
}

export interface DuplicateEvent extends Duplicate {
  /** Ascending, from 1; starts over with the process. */
  id: number;
  receivedAt: Date;
  /** Whether it was recognised before it was appended, or when it was processed. */
  foundAt: DuplicateFinder;
}

type DuplicateFinder = 'intake' | 'processing';

/** At least this many are kept, and at most twice as many: two megabytes with ids of the greatest length. */
const MOST_KEPT = 1000;

/** The latest duplicates of this process, in memory. All have numbers, so that it is known how many are not kept. */
export class DuplicateEvents {
  readonly #clock: Pick<Clock, 'date'>;
  /** Oldest first. */
  #kept: DuplicateEvent[] = [];
  #lastId = 0;

  constructor(clock: Pick<Clock, 'date'>) {
    this.#clock = clock;
  }

  /** Of a batch of any size only those are looked at that can be kept. */
  add(foundAt: DuplicateFinder, duplicates: readonly Duplicate[]): void {
    const latest = duplicates.slice(-MOST_KEPT);
    this.#lastId += duplicates.length - latest.length;
    const receivedAt = this.#clock.date();
    for (const { eventId, userId, eventType, caller } of latest) {
      this.#kept.push({ id: ++this.#lastId, receivedAt, foundAt, eventId, userId, eventType, caller });
    }
    // Half of them at a time, so the cost per event is negligible.
    if (this.#kept.length > 2 * MOST_KEPT) this.#kept = this.#kept.slice(-MOST_KEPT);
  }

  /** Newest first. @param before only ids below this @param after only ids above this */
  list({ limit, before = Number.POSITIVE_INFINITY, after = 0 }: DuplicateQuery): DuplicateEvent[] {
    return this.#kept
      .slice(-MOST_KEPT)
      .filter(({ id }) => id < before && id > after)
      .slice(-limit)
      .reverse();
  }
}

interface DuplicateQuery {
  limit: number;
  before?: number | undefined;
  after?: number | undefined;
}
