import type { TimePlace } from '../event-store.ts';
import type { MemoryEvents } from './events.ts';

/** Events in memory in the order of their times, sorted when a query needs it. */
export class MemoryTimeOrder {
  readonly #events: MemoryEvents;
  #sequences: number[] = [];
  /** The latest sequence among them. */
  #known = 0;

  constructor(events: MemoryEvents) {
    this.#events = events;
  }

  /** All events, oldest first. */
  all(): IteratorObject<number> {
    this.#update();
    return this.#sequences.values();
  }

  forgetRemoved(): void {
    this.#update();
    this.#sequences = this.#sequences.filter((sequence) => this.#events.has(sequence));
  }

  /** The sequences of the events between two places; both ends exclusive. */
  *between(after: TimePlace, before: TimePlace, order: 'asc' | 'desc'): Generator<number> {
    this.#update();
    const sequences = this.#sequences;
    const first = this.#firstFrom({ time: after.time, sequence: after.sequence + 1 });
    const end = this.#firstFrom(before);
    if (order === 'asc') for (let at = first; at < end; at++) yield sequences[at]!;
    else for (let at = end - 1; at >= first; at--) yield sequences[at]!;
  }

  #update(): void {
    const known = this.#known;
    const added = Array.from({ length: this.#events.count - known }, (_, at) => known + at + 1);
    if (added.length === 0) return;
    this.#known = this.#events.count;
    // Sorting is stable, and a single pass if no event came late.
    this.#sequences = [...this.#sequences, ...added].sort(
      (a, b) => this.#events.time(a) - this.#events.time(b),
    );
  }

  /** Index of the first event that is not before a place. */
  #firstFrom({ time, sequence }: TimePlace): number {
    let from = 0;
    let to = this.#sequences.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const at = this.#sequences[middle]!;
      const difference = this.#events.time(at) - time || at - sequence;
      if (difference < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
