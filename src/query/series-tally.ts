/** The events of one value, or of several. */
interface Totals {
  events: number;
  /** Of the previous period. */
  previous: number;
}

export interface ValueSeries extends Totals {
  /** Null for events without a value, or if there is no breakdown. */
  value: string | null;
  /** Of each interval. */
  counts: Uint32Array;
}

export interface Series {
  /** In descending order of their events. */
  series: ValueSeries[];
  /** Of all other values. */
  others: Totals & { values: number; counts: Uint32Array };
  /** Of each interval of the previous period. */
  previousCounts: Uint32Array;
}

/** Memory for a value besides its characters, and for each count of a value in an interval. */
const VALUE_BYTES = 160;
const COUNT_BYTES = 3 * Uint32Array.BYTES_PER_ELEMENT;
const BYTES_PER_CHARACTER = 2;
const FIRST_CAPACITY = 1024;

/**
 * Counts of values by interval. Most values occur in few intervals, and which values are listed is known only at the end,
 * so there is one entry for each interval in which a value occurs.
 */
export class SeriesTally {
  readonly #intervals: number;
  readonly #numbers = new Map<string | null, number>();
  /** By number of the value. */
  readonly #totals: Totals[] = [];
  /** Number of the value, interval and events, one after the other. */
  #entries = new Uint32Array(FIRST_CAPACITY * 3);
  #used = 0;
  /** Where the entries of the latest interval are, by number of the value. */
  readonly #current = new Map<number, number>();
  #interval = -1;
  readonly #previousCounts: Uint32Array;
  #characters = 0;

  constructor(intervals: number) {
    this.#intervals = intervals;
    this.#previousCounts = new Uint32Array(intervals);
  }

  /** Its approximate size in memory. */
  get bytes(): number {
    const { size } = this.#numbers;
    return size * VALUE_BYTES + this.#characters * BYTES_PER_CHARACTER + (this.#used / 3) * COUNT_BYTES;
  }

  add(interval: number, value: string | null, events: number): void {
    const number = this.#numberOf(value);
    this.#totals[number]!.events += events;
    if (interval !== this.#interval) this.#current.clear();
    this.#interval = interval;
    const known = this.#current.get(number);
    if (known !== undefined) {
      this.#entries[known + 2]! += events;
      return;
    }
    if (this.#used === this.#entries.length) this.#grow();
    this.#current.set(number, this.#used);
    this.#entries.set([number, interval, events], this.#used);
    this.#used += 3;
  }

  addPrevious(interval: number, value: string | null, events: number): void {
    this.#totals[this.#numberOf(value)]!.previous += events;
    this.#previousCounts[interval]! += events;
  }

  /** @param top how many values to list */
  result(top: number): Series {
    const listed = this.#largest(top);
    const others = { values: this.#numbers.size - listed.length, events: 0, previous: 0 };
    const rows = new Map(listed.map(({ number }, row) => [number, row]));
    const counts = Array.from({ length: listed.length + 1 }, () => new Uint32Array(this.#intervals));
    for (let at = 0; at < this.#used; at += 3) {
      const row = rows.get(this.#entries[at]!) ?? listed.length;
      counts[row]![this.#entries[at + 1]!]! += this.#entries[at + 2]!;
    }
    this.#totals.forEach((totals, number) => {
      if (rows.has(number)) return;
      others.events += totals.events;
      others.previous += totals.previous;
    });
    return {
      series: listed.map(({ value, number }, row) => ({
        value,
        ...this.#totals[number]!,
        counts: counts[row]!,
      })),
      others: { ...others, counts: counts[listed.length]! },
      previousCounts: this.#previousCounts,
    };
  }

  #numberOf(value: string | null): number {
    const known = this.#numbers.get(value);
    if (known !== undefined) return known;
    this.#numbers.set(value, this.#totals.length);
    this.#characters += value?.length ?? 0;
    return this.#totals.push({ events: 0, previous: 0 }) - 1;
  }

  /** Sorting all values would take long if there are many. */
  #largest(top: number): Ranked[] {
    const largest: Ranked[] = [];
    for (const [value, number] of this.#numbers) {
      const totals = this.#totals[number]!;
      if (largest.length === top && totals.events < largest.at(-1)!.events) continue;
      const ranked = { value, number, ...totals };
      if (largest.length === top && !comesBefore(ranked, largest.at(-1)!)) continue;
      const at = largest.findIndex((other) => comesBefore(ranked, other));
      largest.splice(at === -1 ? largest.length : at, 0, ranked);
      if (largest.length > top) largest.pop();
    }
    return largest;
  }

  #grow(): void {
    const entries = new Uint32Array(this.#entries.length * 2);
    entries.set(this.#entries);
    this.#entries = entries;
  }
}

interface Ranked extends Totals {
  value: string | null;
  number: number;
}

/** Ties are in the order of their texts, whatever order a store returns them in. */
function comesBefore(a: Ranked, b: Ranked): boolean {
  if (a.events !== b.events) return a.events > b.events;
  if (a.previous !== b.previous) return a.previous > b.previous;
  return a.value !== null && (b.value === null || a.value < b.value);
}
