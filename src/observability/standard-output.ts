import { constants, fstatSync, openSync, writeSync } from 'node:fs';

const STANDARD_OUTPUT = 1;
/** A full reader, or a full disk, is tried again after this. */
const BUSY_MS = 100;
/** How long the end of the process waits for a full reader. */
const FLUSH_MS = 1000;
const MOST_WAITING = 8_000_000;
const GONE = new Set(['EPIPE', 'EBADF', 'ECONNRESET']);

interface StandardOutputOptions {
  /** Told how many texts were dropped, once the reader takes some again. */
  onDropped(texts: number): void;
  /** Where to write instead: must not block. */
  descriptor?: number;
  /** Characters that may wait for a slow reader: more would cost the service its memory. */
  mostWaiting?: number;
}

/**
 * Writes to standard output, once per turn of the event loop. If the reader has gone, or is too slow, text is dropped:
 * the service goes on, and stops when told to. (The library's own writer retries forever when the process ends.)
 */
export class StandardOutput {
  readonly #onDropped: (texts: number) => void;
  readonly #descriptor: number;
  readonly #mostWaiting: number;
  #waiting: string[] = [];
  #waitingLength = 0;
  #dropped = 0;
  #rest = Buffer.alloc(0);
  #isScheduled = false;
  #hasReader = true;

  constructor({
    onDropped,
    descriptor = openStandardOutput(),
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
    this.#schedule();
  }

  /** For the end of the process: returns once everything is written, or the reader has taken nothing for a second. */
  flush(): void {
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let giveUpAt = performance.now() + FLUSH_MS; this.#hasMore(); ) {
      if (this.#writeSome() > 0) giveUpAt = performance.now() + FLUSH_MS;
      else if (performance.now() > giveUpAt) return;
      else Atomics.wait(pause, 0, 0, BUSY_MS / 10);
    }
  }

  #schedule(ms?: number): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const writeOn = () => {
      this.#isScheduled = false;
      const bytes = this.#writeSome();
      if (this.#hasMore()) this.#schedule(bytes > 0 ? undefined : BUSY_MS);
    };
    if (ms === undefined) setImmediate(writeOn);
    else setTimeout(writeOn, ms).unref();
  }

  #hasMore(): boolean {
    return this.#rest.length + this.#waitingLength > 0;
  }

  /** @returns the number of bytes written; 0 if there is no room at the moment */
  #writeSome(): number {
    if (this.#rest.length === 0) this.#takeWaiting();
    try {
      const bytes = writeSync(this.#descriptor, this.#rest);
      this.#rest = this.#rest.subarray(bytes);
      if (this.#rest.length === 0) this.#reportDropped();
      return bytes;
    } catch (error) {
      if (GONE.has((error as NodeJS.ErrnoException).code!)) this.#giveUp();
      return 0;
    }
  }

  #takeWaiting(): void {
    this.#rest = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingLength = 0;
  }

  #reportDropped(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.#onDropped(dropped);
  }

  #giveUp(): void {
    this.#hasReader = false;
    this.#waiting = [];
    this.#waitingLength = 0;
    this.#rest = Buffer.alloc(0);
  }
}

/** A pipe is opened once more so that writing to a reader that takes nothing does not block; other files as they are. */
function openStandardOutput(): number {
  try {
    if (!fstatSync(STANDARD_OUTPUT).isFIFO()) return STANDARD_OUTPUT;
    return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    // No /proc, as on macOS: written to as it is.
    return STANDARD_OUTPUT;
  }
}
