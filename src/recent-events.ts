import type { Receipt } from './log/event-log.ts';

/** An accepted event: its JSON text and where it is in the log. */
export interface AcceptedEvent {
  json: string;
  receipt: Receipt;
}

/** About what an entry takes beside its text. */
const ENTRY_BYTES = 300;

/**
 * The events this instance has accepted of late, by key: so that one sent again at once gets the answer of the first,
 * and one that is not stored yet can be found. Bounded; what is forgotten is in the store.
 */
export class RecentEvents {
  readonly #maxBytes: number;
  readonly #events = new Map<string, AcceptedEvent>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: string): AcceptedEvent | undefined {
    return this.#events.get(key);
  }

  add(key: string, event: AcceptedEvent): void {
    if (this.#events.has(key)) return;
    this.#events.set(key, event);
    this.#bytes += sizeOf(event);
    for (const [oldest, { json }] of this.#events) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#events.delete(oldest);
      this.#bytes -= sizeOf({ json });
    }
  }
}

function sizeOf({ json }: Pick<AcceptedEvent, 'json'>): number {
  return json.length + ENTRY_BYTES;
}
