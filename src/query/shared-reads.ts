import type { EventStore, ReadFilter, StoredEvent } from '../store/event-store.ts';

export const READ_EVENTS = 500;
/** The most that one reader receives at a time. */
export const CHUNK_BYTES = 64_000;
/** Chunks that are kept for others who reach the same sequence. */
const SHARED_CHUNKS = 64;

/** How far a reader is. */
export interface Place {
  sequence: number;
  /** The last event up to here, if known: another one is there when the store has gone back and grown since. */
  last?: StoredEvent | undefined;
}

export function placeOf(event: StoredEvent): Place {
  return { sequence: event.sequence, last: event };
}

/** Events, and the place up to which they are complete. */
export interface Read {
  events: readonly StoredEvent[];
  upTo: Place;
}

/** Readers who are behind are often at the same sequence: it is read and kept in memory once for all. */
export class SharedReads {
  readonly #store: Pick<EventStore, 'read'>;
  /** By sequence and filter, oldest first. */
  readonly #reads = new Map<string, Promise<Read>>();

  constructor(store: Pick<EventStore, 'read'>) {
    this.#store = store;
  }

  read(after: number, upTo: Place, filter: ReadFilter): Promise<Read> {
    const key = JSON.stringify([after, filter]);
    const known = this.#reads.get(key);
    if (known) return known;
    const read = this.#read(after, upTo, filter);
    read.catch(() => this.#reads.delete(key));
    this.#reads.set(key, read);
    if (this.#reads.size > SHARED_CHUNKS) this.#reads.delete(this.#reads.keys().next().value!);
    return read;
  }

  clear(): void {
    this.#reads.clear();
  }

  async #read(after: number, upTo: Place, filter: ReadFilter): Promise<Read> {
    const events = await this.#store.read({
      ...filter,
      order: 'asc',
      after,
      upTo: upTo.sequence,
      limit: READ_EVENTS,
      bytes: CHUNK_BYTES,
    });
    const last = events.at(-1);
    return { events, upTo: last === undefined ? upTo : placeOf(last) };
  }
}
