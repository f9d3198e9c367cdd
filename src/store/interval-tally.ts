import type { IntervalCount, IntervalCounts, IntervalQuery, TimePlace } from './event-store.ts';

/** Adds up events that come in the order of their times, for stores that count them one by one. */
export class IntervalTally {
  readonly #origin: number;
  readonly #length: number;
  readonly #counts: IntervalCount[] = [];
  /** Of the latest interval, by value. */
  readonly #current = new Map<string | null, IntervalCount>();
  #interval = -1;
  #last: TimePlace | undefined;
  #events = 0;

  constructor({ origin, length }: Pick<IntervalQuery, 'origin' | 'length'>) {
    this.#origin = origin;
    this.#length = length;
  }

  get events(): number {
    return this.#events;
  }

  add(place: TimePlace, value: string | null): void {
    const interval = Math.floor((place.time - this.#origin) / this.#length);
    if (interval !== this.#interval) this.#current.clear();
    this.#interval = interval;
    this.#last = place;
    this.#events++;
    const known = this.#current.get(value);
    if (known !== undefined) {
      known.events++;
      return;
    }
    const count = { interval, value, events: 1 };
    this.#current.set(value, count);
    this.#counts.push(count);
  }

  counts(): IntervalCounts {
    return { counts: this.#counts, last: this.#last };
  }
}
