// In: the store. Out: its events as they are stored, to any number of readers, each at its own pace.
import type { Clock } from '../clock.ts';
import type { EventStore, ReadFilter, StoredEvent } from '../store/event-store.ts';
import { CHUNK_BYTES, type Place, placeOf, READ_EVENTS, type Read, SharedReads } from './shared-reads.ts';

const POLL_MS = 50;
/** Memory for the latest events, shared by all readers. Readers further behind read from the store. */
const WINDOW_BYTES = 4_000_000;
/** How far before the window's start events are remembered, to find up to where a store that went back is the same. */
const LANDMARK_DISTANCES = [0, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
/** The most that are remembered. */
const LANDMARKS = 64;

/** A reader's position. */
export interface TailPosition extends Place {
  /** How many times the store had gone back in time when the reader was here. */
  rewinds: number;
}

/** Events after a position, and the sequence up to which they are complete. */
interface Chunk {
  events: readonly StoredEvent[];
  next: TailPosition;
  /** The store has gone back: sequences after `next` now refer to other events, and some may be repeated. */
  isReset: boolean;
}

/** Polls the store while it has readers. Keeps nothing per reader: a slow one falls behind and costs nothing. */
export class LiveTail {
  readonly #store: EventStore;
  readonly #heartbeatMs: number;
  readonly #clock: Clock;
  /** The latest events: all after `#windowAfter` up to `#readUpTo`. */
  #window: StoredEvent[] = [];
  #windowBytes = 0;
  #windowAfter = 0;
  /** Events from just before the window, oldest first, with no gap up to it. */
  #landmarks: StoredEvent[] = [];
  readonly #reads: SharedReads;
  #readUpTo = 0;
  /** Up to here there was nothing more to read: `#readUpTo`, or a later sequence if those in between are empty. */
  #lookedTo = 0;
  /** For each time the store went back, the last sequence that still refers to the same event. */
  readonly #rewinds: number[] = [];
  #readers = 0;
  #following = false;
  #stopped = false;
  #arrival = Promise.withResolvers<void>();

  /** @param heartbeatMs after which a waiting reader gets an empty result */
  constructor(options: { store: EventStore; heartbeatMs: number; clock: Clock }) {
    this.#store = options.store;
    this.#reads = new SharedReads(options.store);
    this.#heartbeatMs = options.heartbeatMs;
    this.#clock = options.clock;
  }

  get readers(): number {
    return this.#readers;
  }

  /** Registers a reader. @returns a function that unregisters it; may be called twice */
  join(): () => void {
    this.#readers++;
    let isHere = true;
    return () => {
      if (isHere) this.#readers--;
      isHere = false;
    };
  }

  /**
   * Determines where a new reader starts.
   *
   * @param after the sequence it resumes from; if absent, it gets what is stored from now on
   * @returns the start: before `after` if the store does not reach that far
   */
  async begin(after?: number): Promise<TailPosition> {
    const rewinds = this.#rewinds.length;
    const landmarks = this.#following ? [] : await this.#readLandmarks();
    // Queried last: if the store goes back meanwhile, the remembered state is seen to have changed.
    const { stable, latest } = await this.#store.watermarks();
    // If it went back while they were read, those after `stable` are gone, and may be stored again just as they were.
    const left = landmarks.filter(({ sequence }) => sequence <= stable);
    if (!this.#following) this.#follow(stable, left);
    const sequence = after === undefined || after > Math.max(latest, stable) ? stable : after;
    const [last] = await this.#store.read({ order: 'desc', after: 0, upTo: sequence, limit: 1 });
    // One copy for all readers who wait at the end, where they may stay for long.
    const known = this.#end.last;
    return { sequence, rewinds, last: last !== undefined && known && isSame(known, last) ? known : last };
  }

  async #readLandmarks(): Promise<StoredEvent[]> {
    const { stable } = await this.#store.watermarks();
    const sequences = LANDMARK_DISTANCES.map((distance) => stable - distance).filter(
      (sequence) => sequence > 0,
    );
    const reads = sequences.map((upTo) => this.#store.read({ order: 'desc', after: 0, upTo, limit: 1 }));
    const found = (await Promise.all(reads)).flat().reverse();
    return found.filter(({ sequence }, at) => sequence !== found[at - 1]?.sequence);
  }

  /** Disconnects all readers. */
  stop(): void {
    this.#stopped = true;
    this.#tell();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /**
   * Returns what follows a position. Waits for it, at most until the next heartbeat.
   *
   * @param filter conditions the store has an index for; events that fail them may be returned all the same
   */
  async next({ sequence: after, rewinds: seen, last }: TailPosition, filter: ReadFilter): Promise<Chunk> {
    if (after >= this.#readUpTo && seen === this.#rewinds.length) await this.#arrival.promise;
    const rewinds = this.#rewinds.length;
    const rewoundTo = Math.min(...this.#rewinds.slice(seen));
    if (rewoundTo < after) {
      return { events: [], next: { sequence: rewoundTo, rewinds }, isReset: true };
    }
    if (after >= this.#readUpTo) {
      const known = last ?? (after === this.#readUpTo ? this.#end.last : undefined);
      return { events: [], next: { sequence: after, last: known, rewinds }, isReset: false };
    }
    const { events, upTo } =
      after >= this.#windowAfter ? this.#fromWindow(after) : await this.#reads.read(after, this.#end, filter);
    return { events, next: { ...upTo, rewinds }, isReset: false };
  }

  #fromWindow(after: number): Read {
    const first = firstAfter(this.#window, after);
    let end = first;
    for (let bytes = 0; end < this.#window.length && bytes < CHUNK_BYTES; end++) {
      bytes += this.#window[end]!.json.length;
    }
    const events = this.#window.slice(first, end);
    return { events, upTo: end === this.#window.length ? this.#end : placeOf(events.at(-1)!) };
  }

  /** How far this has read. */
  get #end(): Place {
    return { sequence: this.#readUpTo, last: this.#window.at(-1) ?? this.#landmarks.at(-1) };
  }

  /** Events stored while there were no readers are not kept. */
  async #follow(from: number, landmarks: StoredEvent[]): Promise<void> {
    this.#following = true;
    this.#landmarks = landmarks;
    this.#window = [];
    this.#windowBytes = 0;
    this.#windowAfter = from;
    this.#moveTo(from);
    let heartbeatAt = this.#clock.now() + this.#heartbeatMs;
    while (this.#readers > 0 && !this.#stopped) {
      // While the store cannot be read there is nothing to return; events stored meanwhile are read afterwards.
      await this.#readAll().catch(() => {});
      if (this.#clock.now() >= heartbeatAt) {
        heartbeatAt = this.#clock.now() + this.#heartbeatMs;
        // Only its latest event shows that a store went back and grew to the same sequence: it has to be read again.
        this.#lookedTo = -1;
        this.#tell();
      }
      await this.#clock.sleep(Math.min(POLL_MS, this.#heartbeatMs));
    }
    this.#reads.clear();
    this.#following = false;
  }

  #tell(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }

  async #readAll(): Promise<void> {
    while (await this.#readOn());
  }

  /**
   * Queries the store's latest sequence each time, as it may have gone back. Never advances past a sequence without an
   * event, because one may be stored there after the store went back.
   *
   * @returns whether there may be more to read
   */
  async #readOn(): Promise<boolean> {
    const { stable } = await this.#store.watermarks();
    if (stable === this.#lookedTo) return false;
    // Rereads the latest known event: if it differs, the store has gone back and grown again.
    const known = this.#end.last;
    const after = known === undefined ? 0 : known.sequence - 1;
    const read = await this.#store.read({ order: 'asc', after, upTo: stable, limit: READ_EVENTS });
    const events = known === undefined ? read : read.slice(1);
    const isUnchanged = known === undefined || isSame(known, read[0]);
    if (stable < this.#readUpTo || !isUnchanged || (events[0]?.sequence ?? Infinity) <= this.#readUpTo) {
      this.#rewindTo(Math.min(stable, await this.#lastUnchanged()));
      return true;
    }
    if (events.length === 0) {
      this.#lookedTo = stable;
      return false;
    }
    this.#keep(events);
    this.#moveTo(events.at(-1)!.sequence);
    this.#tell();
    return true;
  }

  /** The last known sequence whose event is unchanged; 0 if there is none. */
  async #lastUnchanged(): Promise<number> {
    const landmarks = this.#landmarks;
    for (const [back, landmark] of landmarks.toReversed().entries()) {
      const { sequence } = landmark;
      const [found] = await this.#store.read({ order: 'asc', after: sequence - 1, upTo: sequence, limit: 1 });
      if (isSame(landmark, found)) return back === 0 ? this.#lastUnchangedInWindow(sequence) : sequence;
    }
    return landmarks.length === 0 ? this.#lastUnchangedInWindow(0) : 0;
  }

  /** @param sequence up to which nothing has changed, and after which the window starts */
  async #lastUnchangedInWindow(sequence: number): Promise<number> {
    const window = this.#window;
    const upTo = window.at(-1)?.sequence ?? 0;
    let unchanged = sequence;
    for (let at = 0; at < window.length; ) {
      const read = await this.#store.read({ order: 'asc', after: unchanged, upTo, limit: READ_EVENTS });
      if (read.length === 0) break;
      for (const event of read) {
        if (!isSame(event, window[at++])) return unchanged;
        unchanged = event.sequence;
      }
    }
    return unchanged;
  }

  #moveTo(sequence: number): void {
    this.#readUpTo = sequence;
    this.#lookedTo = sequence;
  }

  /** Readers beyond this sequence are told to come back to it. */
  #rewindTo(sequence: number): void {
    this.#rewinds.push(sequence);
    this.#moveTo(sequence);
    this.#landmarks = this.#landmarks.filter((landmark) => landmark.sequence <= sequence);
    const kept = this.#window.slice(0, firstAfter(this.#window, sequence));
    this.#windowAfter = Math.min(this.#windowAfter, sequence);
    this.#window = kept;
    this.#windowBytes = kept.reduce((bytes, { json }) => bytes + json.length, 0);
    this.#reads.clear();
    this.#tell();
  }

  #keep(events: readonly StoredEvent[]): void {
    this.#window.push(...events);
    for (const { json } of events) this.#windowBytes += json.length;
    let dropped = 0;
    while (this.#windowBytes > WINDOW_BYTES) this.#windowBytes -= this.#window[dropped++]!.json.length;
    if (dropped === 0) return;
    this.#windowAfter = this.#window[dropped - 1]!.sequence;
    this.#landmarks.push(this.#window[dropped - 1]!);
    if (this.#landmarks.length > LANDMARKS) this.#landmarks = this.#landmarks.filter((_, at) => at % 2 === 0);
    this.#window = this.#window.slice(dropped);
  }
}

function isSame(one: StoredEvent, other: StoredEvent | undefined): boolean {
  return one.sequence === other?.sequence && one.json === other.json;
}

function firstAfter(events: readonly StoredEvent[], sequence: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (events[middle]!.sequence > sequence) high = middle;
    else low = middle + 1;
  }
  return low;
}
