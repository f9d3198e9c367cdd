// Queued events. An event is serialized once, so that a resend is identical byte for byte.

/** An event as it is sent. */
export interface QueuedEvent {
  /** A UUIDv7: later events of one client have greater ids. */
  eventId: string;
  userId: string;
  eventType: string;
  /** ISO 8601, in UTC. */
  timestamp: string;
  payload: object;
}

/** A serialized event. */
export interface Entry {
  id: string;
  /** The event as JSON. */
  text: string;
  /** Length of its UTF-8 text. */
  bytes: number;
}

let lastMs = 0;
let counter = 0;

/**
 * A UUIDv7 (RFC 9562), greater than the one before even within a millisecond or after the clock is set back.
 * `crypto.randomUUID` does not exist on plain-http pages, and its ids are not ordered.
 */
export function newId(): string {
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    counter = 0;
  } else if (++counter > 0xfff) {
    lastMs++;
    counter = 0;
  }
  const [variant = 0, ...random] = crypto.getRandomValues(new Uint8Array(8));
  const time = hex(lastMs, 12);
  const tail = hex(0x80 | (variant & 0x3f), 2) + random.map((byte) => hex(byte, 2)).join('');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(counter, 3)}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** @throws if the payload cannot be serialized as JSON */
export function write(event: QueuedEvent): Entry {
  return entryOf(event.eventId, JSON.stringify(event));
}

export function entryOf(id: string, text: string): Entry {
  return { id, text, bytes: new TextEncoder().encode(text).length };
}

export function read({ text }: Entry): QueuedEvent {
  return JSON.parse(text);
}
