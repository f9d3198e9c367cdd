import type { Receipt } from '../log/event-log.ts';

/** An accepted event: its JSON text and its position in the log. */
export interface AcceptedEvent {
  json: string;
  receipt: Receipt;
}

/** Approximate bytes of an entry besides its text. */
const ENTRY_BYTES = 300;

/**
 * The events this instance accepted recently, by key, so that an immediate retry gets the first response and an event
 * that is not stored yet can be found. Bounded; evicted events are in the store.
 */
export class RecentEvents {
  readonly #maxBytes: number;
  /** Two generations, each with half the bytes: evicting a whole one costs nothing per event. */
  #young = new Map<string, AcceptedEvent>();
  #old = new Map<string, AcceptedEvent>();
  #youngBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: string): AcceptedEvent | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  add(key: string, event: AcceptedEvent): void {
    this.#young.set(key, event);
    this.#youngBytes += event.json.length + ENTRY_BYTES;
    if (this.#youngBytes < this.#maxBytes / 2) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}
