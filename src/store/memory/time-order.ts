import type { TimePlace } from '../event-store.ts';
import type { MemoryEvents } from './events.ts';

/** Events in memory by their times; brought up to date when it is asked for. */
export class MemoryTimeOrder {
  readonly #events: MemoryEvents;
  #sequences: number[] = [];

  constructor(events: MemoryEvents) {
    this.#events = events;
  }

  /** The sequences of the events between two places, without them. */
  *between(after: TimePlace, before: TimePlace, order: 'asc' | 'desc'): Generator<number> {
    this.#update();
    const sequences = this.#sequences;
    const first = this.#firstFrom({ time: after.time, sequence: after.sequence + 1 });
    const end = this.#firstFrom(before);
    if (order === 'asc') for (let at = first; at < end; at++) yield sequences[at]!;
    else for (let at = end - 1; at >= first; at--) yield sequences[at]!;
  }

  #update(): void {
    const known = this.#sequences.length;
    const added = Array.from({ length: this.#events.count - known }, (_, at) => known + at + 1);
    if (added.length === 0) return;
    // Two runs that are in order, of which sorting takes one pass.
    const compare = (a: number, b: number) => this.#events.time(a) - this.#events.time(b) || a - b;
    this.#sequences = [...this.#sequences, ...added.sort(compare)].sort(compare);
  }

  /** Where the first event is that is not before a place. */
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
