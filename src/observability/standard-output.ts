import { write, writeSync } from 'node:fs';

const STANDARD_OUTPUT = 1;
/** A reader that is full for now is tried again after this. */
const BUSY_MS = 100;

/**
 * Writes to standard output without holding up the caller. Once its reader has gone, what is written is dropped: the
 * service goes on, and ends as it is told. (The library's own writer tries for ever at the end of the process.)
 */
export class StandardOutput {
  #waiting: string[] = [];
  #rest = Buffer.alloc(0);
  #isWriting = false;
  #hasReader = true;

  write(text: string): void {
    if (!this.#hasReader) return;
    this.#waiting.push(text);
    if (!this.#isWriting) this.#writeOn();
  }

  /** For the end of the process: does not return before all is written. What is being written is the system's already. */
  flush(): void {
    let last = this.#takeWaiting();
    try {
      while (last.length > 0) last = last.subarray(writeSync(STANDARD_OUTPUT, last));
    } catch {
      // There is no reader, or it is full: nobody is left to wait for it.
    }
  }

  #writeOn(): void {
    if (this.#rest.length === 0) this.#rest = this.#takeWaiting();
    this.#isWriting = this.#rest.length > 0;
    if (!this.#isWriting) return;
    write(STANDARD_OUTPUT, this.#rest, (error, bytes) => {
      if (error?.code === 'EAGAIN') return void setTimeout(() => this.#writeOn(), BUSY_MS);
      if (error) return this.#drop();
      this.#rest = this.#rest.subarray(bytes);
      this.#writeOn();
    });
  }

  #takeWaiting(): Buffer<ArrayBuffer> {
    const text = this.#waiting.join('');
    this.#waiting = [];
    return Buffer.from(text);
  }

  #drop(): void {
    this.#hasReader = false;
    this.#isWriting = false;
    this.#waiting = [];
    this.#rest = Buffer.alloc(0);
  }
}
