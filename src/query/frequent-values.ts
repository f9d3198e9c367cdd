import { isStorable } from '../events/storable.ts';
import type { ValueReader } from './event-values.ts';

/** A property and a value that are counted together. */
export interface CountedValue {
  property: string;
  /** Null: whatever its value. */
  value: string | null;
  selected: number;
  baseline: number;
}

/** By value. */
type Group = Map<string | null, CountedValue>;

/** What a value takes in memory beside its characters. */
const VALUE_BYTES = 200;
const BYTES_PER_CHARACTER = 2;

/**
 * The values that many of the selected events have, in bounded memory, however many different values there are (Misra and
 * Gries, 1982): where there is no place for another value, one event less is counted of each of those that have a place. So a
 * value is lost only if no more events have it than were taken away. Those that are left are then counted exactly.
 */
export class FrequentValues {
  readonly #most: number;
  readonly #groups = new Map<string, Group>();
  #size = 0;
  #characters = 0;
  #takenAway = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** About as much as it takes in memory. */
  get bytes(): number {
    return this.#size * VALUE_BYTES + this.#characters * BYTES_PER_CHARACTER;
  }

  /** Every value that at least so many selected events have is known. */
  get least(): number {
    return this.#takenAway + 1;
  }

  /** Finds the values. */
  readonly finder: ValueReader<string> = {
    group: (property) => property,
    see: (property, value, times) => this.#find(property, value, times),
  };

  /** Counts the values that are known in events of one side. */
  counter(side: 'selected' | 'baseline'): ValueReader<Group> {
    return {
      group: (property) => this.#groups.get(property),
      see: (group, value, times) => {
        const known = group.get(value);
        if (known !== undefined) known[side] += times;
      },
    };
  }

  /** Forgets how many selected events were counted while values were being found. */
  restart(): void {
    for (const one of this.values()) one.selected = 0;
  }

  *values(): Generator<CountedValue> {
    for (const group of this.#groups.values()) yield* group.values();
  }

  #find(property: string, value: string | null, times: number): void {
    const group = this.#groups.get(property);
    const known = group?.get(value);
    if (known !== undefined) {
      known.selected += times;
      return;
    }
    // No filter could ask for it.
    if (!isStorable(property) || !isStorable(value ?? '')) return;
    const left = this.#size === this.#most ? this.#takeAway(times) : times;
    if (left === 0) return;
    const added = { property, value, selected: left, baseline: 0 };
    const own = this.#groups.get(property);
    if (own === undefined) this.#groups.set(property, new Map([[value, added]]));
    else own.set(value, added);
    this.#size++;
    this.#characters += charactersOf(added);
  }

  /** Makes place for a value of so many events, if it has more than the least frequent. @returns how many are left of them */
  #takeAway(times: number): number {
    let taken = times;
    for (const { selected } of this.values()) taken = Math.min(taken, selected);
    this.#takenAway += taken;
    for (const [property, group] of this.#groups) {
      for (const [value, one] of group) {
        one.selected -= taken;
        if (one.selected > 0) continue;
        group.delete(value);
        this.#size--;
        this.#characters -= charactersOf(one);
      }
      if (group.size === 0) this.#groups.delete(property);
    }
    return times - taken;
  }
}

function charactersOf({ property, value }: CountedValue): number {
  return property.length + (value?.length ?? 0);
}
