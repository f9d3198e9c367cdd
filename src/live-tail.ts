// In: the store. Out: its events as they are stored, to any number of readers, each at its own pace.
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventStore, PlacedEvent, SelectionFilter } from './store/event-store.ts';

const POLL_MS = 50;
const READ_EVENTS = 500;
/** What newest events may take in memory, for all readers together. Who is further behind reads the store. */
const WINDOW_BYTES = 4_000_000;
/** What one reader is given at a time. */
const PORTION_BYTES = 64_000;
/** How many portions that were read for who is behind are kept for who comes to the same place. */
const SHARED_PORTIONS = 64;

/** Events after a place, and up to where that is all there is. */
export interface Portion {
  events: readonly PlacedEvent[];
  reached: number;
}

/** Follows the store while somebody reads. Nothing is kept for a reader: a slow one is behind and costs nothing. */
export class LiveTail {
  readonly #store: EventStore;
  readonly #heartbeatMs: number;
  /** The newest events: all after `#windowAfter` up to `#reached`. */
  #window: PlacedEvent[] = [];
  #windowBytes = 0;
  #windowAfter = 0;
  /** By place and filter, the oldest first. */
  readonly #portions = new Map<string, Promise<Portion>>();
  #reached = 0;
  #readers = 0;
  #following = false;
  #stopped = false;
  #arrival = Promise.withResolvers<void>();

  /** @param heartbeatMs after which a reader that waits is told that there is nothing */
  constructor(store: EventStore, heartbeatMs: number) {
    this.#store = store;
    this.#heartbeatMs = heartbeatMs;
  }

  get readers(): number {
    return this.#readers;
  }

  /** Counts one more reader. @returns counts it out again; may be called twice */
  join(): () => void {
    this.#readers++;
    let isHere = true;
    return () => {
      if (isHere) this.#readers--;
      isHere = false;
    };
  }

  /** For who has joined. @returns where what is stored from now on begins */
  async begin(): Promise<number> {
    const { settled } = await this.#store.extent();
    if (!this.#following) this.#follow(settled);
    return settled;
  }

  /** Sends all readers away. */
  stop(): void {
    this.#stopped = true;
    this.#tell();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /**
   * What comes after a place. Waits for it, at most until the next heartbeat.
   *
   * @param filter what the store may leave out, which it has an index for; it may be there all the same
   */
  async next(after: number, filter: SelectionFilter): Promise<Portion> {
    if (after >= this.#reached) await this.#arrival.promise;
    const reached = this.#reached;
    if (after >= reached) return { events: [], reached: after };
    return after >= this.#windowAfter ? this.#fromWindow(after) : this.#fromStore(after, reached, filter);
  }

  /** Many who are behind are so at the same place: it is read, and kept in memory, once for them. */
  #fromStore(after: number, upTo: number, filter: SelectionFilter): Promise<Portion> {
    const key = JSON.stringify([after, filter]);
    const known = this.#portions.get(key);
    if (known) return known;
    const portion = this.#read(after, upTo, filter);
    portion.catch(() => this.#portions.delete(key));
    this.#portions.set(key, portion);
    if (this.#portions.size > SHARED_PORTIONS) this.#portions.delete(this.#portions.keys().next().value!);
    return portion;
  }

  async #read(after: number, upTo: number, filter: SelectionFilter): Promise<Portion> {
    const events = await this.#store.read({
      ...filter,
      ...{ order: 'asc', after, upTo, limit: READ_EVENTS, bytes: PORTION_BYTES },
    });
    return { events, reached: events.at(-1)?.place ?? upTo };
  }

  #fromWindow(after: number): Portion {
    const first = firstAfter(this.#window, after);
    let end = first;
    for (let bytes = 0; end < this.#window.length && bytes < PORTION_BYTES; end++) {
      bytes += this.#window[end]!.json.length;
    }
    const events = this.#window.slice(first, end);
    return { events, reached: end === this.#window.length ? this.#reached : events.at(-1)!.place };
  }

  /** Nothing is kept of the time in which nobody read. */
  async #follow(from: number): Promise<void> {
    this.#following = true;
    this.#window = [];
    this.#windowBytes = 0;
    this.#windowAfter = from;
    this.#reached = from;
    const heartbeat = setInterval(() => this.#tell(), this.#heartbeatMs);
    while (this.#readers > 0 && !this.#stopped) {
      // While the store cannot be read there is nothing to tell; what comes in meanwhile is there afterwards.
      await this.#readOn().catch(() => {});
      await sleep(POLL_MS);
    }
    clearInterval(heartbeat);
    this.#portions.clear();
    this.#following = false;
  }

  #tell(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }

  async #readOn(): Promise<void> {
    const { settled } = await this.#store.extent();
    while (this.#reached < settled) {
      const events = await this.#store.read({
        ...{ order: 'asc', after: this.#reached, upTo: settled, limit: READ_EVENTS },
      });
      this.#keep(events);
      this.#reached = events.at(-1)?.place ?? settled;
      this.#tell();
    }
  }

  #keep(events: readonly PlacedEvent[]): void {
    this.#window.push(...events);
    for (const { json } of events) this.#windowBytes += json.length;
    let dropped = 0;
    while (this.#windowBytes > WINDOW_BYTES) this.#windowBytes -= this.#window[dropped++]!.json.length;
    if (dropped === 0) return;
    this.#windowAfter = this.#window[dropped - 1]!.place;
    this.#window = this.#window.slice(dropped);
  }
}

function firstAfter(events: readonly PlacedEvent[], place: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (events[middle]!.place > place) high = middle;
    else low = middle + 1;
  }
  return low;
}
