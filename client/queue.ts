import type { Entry } from './event.ts';

/** Queued events, oldest first; bounded in count and bytes. */
export class Queue {
  entries: Entry[] = [];
  #bytes = 0;
  readonly #maxEvents: number;
  readonly #maxBytes: number;

  constructor(maxEvents: number, maxBytes: number) {
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
  }

  /** @returns false when there is no room for the event */
  add(entry: Entry): boolean {
    const bytes = this.#bytes + entry.bytes;
    if (this.entries.length >= this.#maxEvents || bytes > this.#maxBytes) return false;
    this.#bytes = bytes;
    this.entries.push(entry);
    return true;
  }

  /** Prepends events, even beyond the limits. */
  addFirst(entry: Entry): void {
    this.#bytes += entry.bytes;
    this.entries.unshift(entry);
  }

  remove(gone: ReadonlySet<Entry>): void {
    this.entries = this.entries.filter((entry) => !gone.has(entry));
    this.#bytes = sumOf(this.entries);
  }

  clear(): void {
    this.remove(new Set(this.entries));
  }

  /** In the order in which they happened, whichever page they come from. */
  sort(): void {
    this.entries.sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** The oldest that fit, excluding `except`; at least one. */
  first(maxEvents: number, maxBytes: number, except?: ReadonlySet<Entry>): Entry[] {
    const batch: Entry[] = [];
    let bytes = 0;
    for (const entry of this.entries) {
      if (except?.has(entry)) continue;
      // Plus a comma.
      bytes += entry.bytes + 1;
      if (batch.length > 0 && (batch.length >= maxEvents || bytes >= maxBytes)) break;
      batch.push(entry);
    }
    return batch;
  }
}

export function sumOf(entries: Iterable<Entry>): number {
  let sum = 0;
  for (const { bytes } of entries) sum += bytes;
  return sum;
}
