import { FootfallError } from './errors.ts';

export interface AdmissionLimits {
  maxRequests: number;
  /** Bytes that bodies and answers of admitted requests may take together. */
  maxBytes: number;
}

const MAX_RETRY_AFTER_S = 60;
/** Weight of the last second in the drain rate: a burst counts, one slow second does not decide. */
const SMOOTHING = 0.3;

/**
 * Bounds what requests may hold in memory at the same time. What does not fit is turned away before its body is
 * read, with the time after which there will be room: the backlog divided by the rate at which it drains.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #now: () => number;
  #requests = 0;
  #bytes = 0;
  #drainedPerSecond = 0;
  #drained = 0;
  #windowBegan: number;

  /** @param now milliseconds, of any origin */
  constructor(limits: AdmissionLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#windowBegan = now();
  }

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @param bytes the most the request can hold
   * @returns to be called once when the request has ended, however it ended
   * @throws FootfallError `overloaded`
   */
  enter(bytes: number): () => void {
    if (this.#requests >= this.#limits.maxRequests || this.#bytes + bytes > this.#limits.maxBytes) {
      throw new FootfallError('overloaded', { retryAfterS: this.#retryAfterS() });
    }
    // Time without work says nothing about how fast work is done.
    if (this.#requests === 0) this.#beginWindow();
    this.#requests++;
    this.#bytes += bytes;
    return () => {
      this.#requests--;
      this.#bytes -= bytes;
      this.#countDrained();
    };
  }

  #countDrained(): void {
    this.#drained++;
    if (this.#windowS() < 1) return;
    const rate = this.#drained / this.#windowS();
    const before = this.#drainedPerSecond || rate;
    this.#drainedPerSecond = before + SMOOTHING * (rate - before);
    this.#beginWindow();
  }

  #beginWindow(): void {
    this.#drained = 0;
    this.#windowBegan = this.#now();
  }

  #windowS(): number {
    return (this.#now() - this.#windowBegan) / 1000;
  }

  /** Up to half as much again by chance, so that those turned away together do not come back together. */
  #retryAfterS(): number {
    const rate = this.#drainedPerSecond || this.#drained / this.#windowS() || 1;
    const seconds = (this.#requests / rate) * (1 + Math.random() / 2);
    return Math.min(MAX_RETRY_AFTER_S, Math.max(1, Math.ceil(seconds)));
  }
}
