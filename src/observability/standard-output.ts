import { write, writeSync } from 'node:fs';

const STANDARD_OUTPUT = 1;
/** A full reader is tried again after this. */
const BUSY_MS = 100;
const MOST_WAITING = 8_000_000;

export interface StandardOutputOptions {
  /** Told how many texts were dropped, once the reader takes some again. */
  onDropped(texts: number): void;
  /** Where to write instead. */
  descriptor?: number;
  /** Characters that may wait for a slow reader: more would cost the service its memory. */
  mostWaiting?: number;
}

/**
 * Writes to standard output without blocking the caller. If the reader has gone, or is too slow, text is dropped: the
 * service goes on, and stops when told to. (The library's own writer retries forever when the process ends.)
 */
export class StandardOutput {
  readonly #onDropped: (texts: number) => void;
  readonly #descriptor: number;
  readonly #mostWaiting: number;
  #waiting: string[] = [];
  #waitingLength = 0;
  #dropped = 0;
  #rest = Buffer.alloc(0);
  #isInFlight = false;
  #hasReader = true;

  constructor({
    onDropped,
    descriptor = STANDARD_OUTPUT,
    mostWaiting = MOST_WAITING,
  }: StandardOutputOptions) {
    this.#onDropped = onDropped;
    this.#descriptor = descriptor;
    this.#mostWaiting = mostWaiting;
  }

  write(text: string): void {
    if (!this.#hasReader) return;
    if (this.#waitingLength + text.length > this.#mostWaiting) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(text);
    this.#waitingLength += text.length;
    if (!this.#isInFlight && this.#rest.length === 0) this.#writeOn();
  }

  /** For the end of the process: returns once everything is written. A write in flight is the system's already. */
  flush(): void {
    let last = Buffer.concat([this.#isInFlight ? Buffer.alloc(0) : this.#rest, this.#takeWaiting()]);
    try {
      while (last.length > 0) last = last.subarray(writeSync(this.#descriptor, last));
    } catch {
      // The reader has gone or is full: nobody is left to wait for.
    }
  }

  #writeOn(): void {
    if (this.#rest.length === 0) this.#rest = this.#takeWaiting();
    if (this.#rest.length === 0) return;
    this.#isInFlight = true;
    write(this.#descriptor, this.#rest, (error, bytes) => {
      this.#isInFlight = false;
      if (error?.code === 'EAGAIN') return void setTimeout(() => this.#writeOn(), BUSY_MS).unref();
      if (error) return this.#giveUp();
      this.#rest = this.#rest.subarray(bytes);
      this.#writeOn();
    });
  }

  #takeWaiting(): Buffer<ArrayBuffer> {
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#waitingLength = 0;
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.#onDropped(dropped);
    return Buffer.from(text);
  }

  #giveUp(): void {
    this.#hasReader = false;
    this.#waiting = [];
    this.#rest = Buffer.alloc(0);
  }
}
