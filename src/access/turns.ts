import { RECENT_MS, watchLoop } from '../loop-turns.ts';

/** Work below this size never waits: it costs little and shares a write with others. */
const SMALL_BYTES = 10_000;
/** Bytes of one sender's large work in progress at a time. */
const MOST_BYTES = 1_000_000;
/** A pause is this many times as long as the large work before it: what is appended costs as much again when it is stored. */
const PAUSE = 6;
/** The longest pause: work that waits for a slow log or store does not use the processor all that time. */
const LONGEST_PAUSE_MS = 750;
/** A pause ends early if during this time the event loop was idle for more than half of it: others do not need it. */
const LOOK_EVERY_MS = 25;
const BUSY = 0.5;

/** When a sender last sent something. */
interface Sign {
  sender: string;
  at: number;
}

interface Sender {
  bytes: number;
  waiting: { bytes: number; begin(): void }[];
}

/**
 * Does each sender's large work piece by piece, using at most a seventh of the time while others are sending and keep
 * the process busy, so that their requests run in between instead of queueing behind all of it.
 */
export class Turns {
  readonly #senders = new Map<string, Sender>();
  /** The two senders that sent something last. */
  #latest: Sign = { sender: '', at: Number.NEGATIVE_INFINITY };
  #other: Sign = { sender: '', at: Number.NEGATIVE_INFINITY };

  readonly #watchLoop: typeof watchLoop;

  /** @param watch measures how busy the event loop is */
  constructor(watch = watchLoop) {
    this.#watchLoop = watch;
  }

  /**
   * Starts the work once the sender's earlier large work leaves room for it, in call order.
   *
   * @param sender its name or address
   * @param bytes the size of the work
   */
  async take<T>(sender: string, bytes: number, work: () => Promise<T>): Promise<T> {
    this.#note(sender);
    if (bytes <= SMALL_BYTES) return work();
    await this.#begin(sender, bytes);
    const beganAt = performance.now();
    try {
      return await work();
    } finally {
      const pauseMs = this.#hasOthers(sender)
        ? Math.min(LONGEST_PAUSE_MS, (performance.now() - beganAt) * PAUSE)
        : 0;
      this.#pause(pauseMs, () => this.#end(sender, bytes));
    }
  }

  #pause(pauseMs: number, end: () => void): void {
    if (pauseMs === 0) {
      end();
      return;
    }
    const until = performance.now() + pauseMs;
    const load = this.#watchLoop();
    const look = () => {
      const restMs = until - performance.now();
      if (restMs <= 0 || load() < BUSY) end();
      else setTimeout(look, Math.min(LOOK_EVERY_MS, restMs)).unref();
    };
    setTimeout(look, Math.min(LOOK_EVERY_MS, pauseMs)).unref();
  }

  #note(sender: string): void {
    if (this.#latest.sender !== sender) {
      this.#other = this.#latest;
      this.#latest = { sender, at: 0 };
    }
    this.#latest.at = performance.now();
  }

  #hasOthers(sender: string): boolean {
    const { at } = this.#latest.sender === sender ? this.#other : this.#latest;
    return performance.now() - at < RECENT_MS;
  }

  async #begin(name: string, bytes: number): Promise<void> {
    const sender = this.#senders.get(name) ?? { bytes: 0, waiting: [] };
    this.#senders.set(name, sender);
    const hasRoom = sender.waiting.length === 0 && fits(sender, bytes);
    if (!hasRoom) return new Promise((begin) => sender.waiting.push({ bytes, begin }));
    sender.bytes += bytes;
  }

  #end(name: string, bytes: number): void {
    const sender = this.#senders.get(name)!;
    sender.bytes -= bytes;
    for (let next = sender.waiting[0]; next && fits(sender, next.bytes); next = sender.waiting[0]) {
      sender.waiting.shift();
      sender.bytes += next.bytes;
      next.begin();
    }
    if (sender.bytes === 0) this.#senders.delete(name);
  }
}

/** Work larger than the limit runs alone. */
function fits(sender: Sender, bytes: number): boolean {
  return sender.bytes === 0 || sender.bytes + bytes <= MOST_BYTES;
}
