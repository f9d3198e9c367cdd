// In: events, hour by hour. Out: how many have each value, kept for the next question about the same hours.
import { isStorable } from '../events/storable.ts';
import type { EventStore, HourCount, StoredEvent } from '../store/event-store.ts';
import { type ReadEvent, readValues, type ValueReader } from './event-values.ts';

/** For the values of all hours; about four million of them. */
export const KEPT_BYTES = 64_000_000;
/** A reference to a value, and how many events have it. */
const ENTRY_BYTES = 12;
/** What a property of a type in an hour takes besides. */
const LIST_BYTES = 250;
/** Of each different text, besides its characters. */
const TEXT_BYTES = 100;
const BYTES_PER_CHARACTER = 2;
/** Of a value while it is counted. */
const COUNTED_BYTES = 100;

interface ValueList {
  property: string;
  values: (string | null)[];
  /** How many events have each. */
  counts: Uint32Array;
}

/** What the events of a type in an hour have. */
export interface TypeValues {
  events: number;
  lists: ValueList[];
  /** How many values there are in all lists. */
  size: number;
}

/** @returns how many events were told of */
export function tell<Group>({ lists, events }: TypeValues, reader: ValueReader<Group>): number {
  for (const { property, values, counts } of lists) {
    const group = reader.group(property);
    if (group === undefined) continue;
    for (let at = 0; at < values.length; at++) reader.see(group, values[at]!, counts[at]!);
  }
  return events;
}

type Tally = Map<string | null, number>;

/** Counts the values of the events of an hour. */
export class HourTally {
  readonly #types = new Map<string, { events: number; lists: Map<string, Tally> }>();
  #lists = new Map<string, Tally>();
  #size = 0;
  readonly #reader: ValueReader<Tally> = {
    group: (property) => {
      const known = this.#lists.get(property);
      if (known !== undefined) return known;
      // No filter could ask for it.
      if (!isStorable(property)) return undefined;
      const added: Tally = new Map();
      this.#lists.set(property, added);
      return added;
    },
    see: (tally, value, times) => {
      const before = tally.get(value);
      if (before === undefined) {
        if (!isStorable(value ?? '')) return;
        this.#size++;
      }
      tally.set(value, (before ?? 0) + times);
    },
  };

  /** About as much as it takes in memory. */
  get bytes(): number {
    return this.#size * COUNTED_BYTES;
  }

  add(json: string): void {
    const event = JSON.parse(json) as ReadEvent;
    let type = this.#types.get(event.eventType);
    if (type === undefined) {
      type = { events: 0, lists: new Map() };
      this.#types.set(event.eventType, type);
    }
    type.events++;
    this.#lists = type.lists;
    readValues(event, json, this.#reader);
  }

  /** By type. */
  result(): Map<string, TypeValues> {
    return new Map([...this.#types].map(([type, { events, lists }]) => [type, toValues(events, lists)]));
  }
}

function toValues(events: number, lists: Map<string, Tally>): TypeValues {
  const all = [...lists].map(([property, tally]) => ({
    property,
    values: [...tally.keys()],
    counts: Uint32Array.from(tally.values()),
  }));
  return { events, lists: all, size: all.reduce((sum, { values }) => sum + values.length, 0) };
}

/** Of one question: whether it has found values, or has begun to keep them. */
export interface Use {
  hasKept: boolean;
}

/**
 * The values of hours that were read once. The store keeps how many events there are by type and hour, and an hour that loses
 * events to retention gets no new ones: as long as that number is the same, so are the values.
 */
export class KeptValues {
  readonly #most: number;
  #hours = new Map<number, Map<string, TypeValues>>();
  /** Each text once, however many hours have it. */
  #texts = new Map<string, string>();
  #bytes = 0;
  /** The latest event that is in them. */
  #newest: StoredEvent | undefined;

  constructor(most = KEPT_BYTES) {
    this.#most = most;
  }

  /** About as much as it takes in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Forgets all if the store has gone back since, as after a restore: hours may then have as many other events. */
  async begin(store: Pick<EventStore, 'read'>): Promise<Use> {
    const newest = this.#newest;
    if (newest !== undefined) {
      const { sequence, json } = newest;
      const [found] = await store.read({ order: 'asc', after: sequence - 1, upTo: sequence, limit: 1 });
      if (found?.json !== json) this.#clear();
    }
    return { hasKept: false };
  }

  /** @param counts of the store, for one hour. @returns the values of these types; undefined if some are not known */
  get(use: Use, hour: number, counts: readonly HourCount[]): TypeValues[] | undefined {
    const types = this.#hours.get(hour);
    const found = counts.map(({ eventType }) => types?.get(eventType));
    if (!found.every((one, at) => one?.events === counts[at]!.events)) return undefined;
    use.hasKept = true;
    return found as TypeValues[];
  }

  /**
   * Where there is no place, it starts again with what is asked now; but a question that takes all the place by itself finds
   * the same part of it each time.
   *
   * @param types all events of these types in the hour, of those below a sequence below which nothing is added
   * @param newest the latest of them
   */
  keep(use: Use, hour: number, types: ReadonlyMap<string, TypeValues>, newest: StoredEvent): void {
    if (this.#bytes >= this.#most) {
      if (use.hasKept) return;
      this.#clear();
    }
    use.hasKept = true;
    let own = this.#hours.get(hour);
    if (own === undefined) {
      own = new Map();
      this.#hours.set(hour, own);
    }
    for (const [type, values] of types) {
      const before = own.get(type);
      if (before !== undefined) this.#bytes -= bytesOf(before);
      own.set(this.#text(type), this.#shared(values));
    }
    if (this.#newest === undefined || newest.sequence > this.#newest.sequence) this.#newest = newest;
  }

  #shared({ lists, ...values }: TypeValues): TypeValues {
    const shared = {
      ...values,
      lists: lists.map(({ property, values, counts }) => ({
        property: this.#text(property),
        values: values.map((value) => (value === null ? null : this.#text(value))),
        counts,
      })),
    };
    this.#bytes += bytesOf(shared);
    return shared;
  }

  #text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#bytes += TEXT_BYTES + text.length * BYTES_PER_CHARACTER;
    this.#texts.set(text, text);
    return text;
  }

  #clear(): void {
    this.#hours = new Map();
    this.#texts = new Map();
    this.#bytes = 0;
    this.#newest = undefined;
  }
}

function bytesOf({ size, lists }: TypeValues): number {
  return size * ENTRY_BYTES + lists.length * LIST_BYTES;
}
