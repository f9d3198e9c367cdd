import type { Clock } from '../clock.ts';
import { ApiError } from '../errors.ts';

interface AdmissionOptions {
  maxRequests: number;
  /** Bytes that all requests sending events may hold together. */
  maxBytes: number;
  /** Bytes that all reading requests may hold together; default: `maxBytes`. */
  maxReadBytes?: number;
  clock: Pick<Clock, 'now' | 'random'>;
}

/** What a request does. Reads and writes have separate budgets. */
type Purpose = 'read' | 'write';

export interface Entry {
  purpose?: Purpose;
  /** Name of the caller, if callers have names: each is limited to its share. */
  caller?: string | undefined;
}

/** The reservation of an admitted request. */
export interface Hold {
  /** Reserves more bytes. @throws ApiError `overloaded` if there is no room; nothing is reserved then */
  grow(bytes: number): void;
  /** Must be called when the connection is done with the request, for whatever reason. */
  leave(): void;
  /** Does work that needs what is reserved: until it has ended, `leave` frees nothing. */
  during<T>(work: () => Promise<T>): Promise<T>;
}

interface Held {
  requests: number;
  bytes: number;
}

interface Budget extends Held {
  maxBytes: number;
  byCaller: Map<string, Held>;
}

const MAX_RETRY_AFTER_S = 60;
/** Weight of the last second in the drain rate: bursts count, and one slow second does not dominate. */
const SMOOTHING = 0.3;
/** The fraction of a budget that one caller may hold. */
const SHARE = 0.5;

/**
 * Bounds the memory held by concurrent requests. A request that does not fit is rejected, if possible before its body
 * is read, with the time until there will be room: the backlog divided by its drain rate.
 */
export class Admission {
  readonly #maxRequests: number;
  readonly #budgets: Record<Purpose, Budget>;
  readonly #clock: AdmissionOptions['clock'];
  #drainedPerSecond = 0;
  #drained = 0;
  #windowBegan: number;

  constructor({ maxRequests, maxBytes, maxReadBytes = maxBytes, clock }: AdmissionOptions) {
    this.#maxRequests = maxRequests;
    this.#budgets = { read: emptyBudget(maxReadBytes), write: emptyBudget(maxBytes) };
    this.#clock = clock;
    this.#windowBegan = clock.now();
  }

  get requests(): number {
    return this.#budgets.read.requests + this.#budgets.write.requests;
  }

  get bytes(): number {
    return this.#budgets.read.bytes + this.#budgets.write.bytes;
  }

  /**
   * @param bytes the request's size, as far as known
   * @throws ApiError `overloaded`
   */
  enter(bytes: number, { purpose = 'write', caller }: Entry = {}): Hold {
    const budget = this.#budgets[purpose];
    const own = caller === undefined ? undefined : heldBy(budget, caller);
    const hasRoom = budget.requests < this.#maxRequests && this.#fits(budget, own, bytes, own?.requests);
    if (!hasRoom || (own && own.requests >= this.#maxRequests * SHARE)) {
      this.#turnAway();
    }
    // Idle time says nothing about how fast work gets done.
    if (this.requests === 0) this.#beginWindow();
    if (own !== undefined) budget.byCaller.set(caller!, own);
    const counted = own === undefined ? [budget] : [budget, own];
    add(counted, 1, bytes);
    return new Reservation(bytes, {
      grow: (more) => {
        if (!this.#fits(budget, own, more, own && own.requests - 1)) this.#turnAway();
        add(counted, 0, more);
      },
      free: (held) => {
        add(counted, -1, -held);
        if (own?.requests === 0) budget.byCaller.delete(caller!);
        this.#countDrained();
      },
    });
  }

  /** A caller's only request may exceed the caller's share: even a small budget must accept a large event. */
  #fits(budget: Budget, own: Held | undefined, bytes: number, others = 0): boolean {
    if (budget.bytes + bytes > budget.maxBytes) return false;
    return others === 0 || own!.bytes + bytes <= budget.maxBytes * SHARE;
  }

  #turnAway(): never {
    throw new ApiError('overloaded', { retryAfterS: this.#retryAfterS() });
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
    this.#windowBegan = this.#clock.now();
  }

  #windowS(): number {
    return (this.#clock.now() - this.#windowBegan) / 1000;
  }

  /** Adds up to 50 % at random, so that rejected requests do not all come back together. */
  #retryAfterS(): number {
    const rate = this.#drainedPerSecond || this.#drained / this.#windowS() || 1;
    const seconds = (this.requests / rate) * (1 + this.#clock.random() / 2);
    return Math.min(MAX_RETRY_AFTER_S, Math.max(1, Math.ceil(seconds)));
  }
}

class Reservation implements Hold {
  #bytes: number;
  #hasLeft = false;
  #isFree = false;
  #working = 0;
  readonly #budget: { grow(more: number): void; free(held: number): void };

  constructor(bytes: number, budget: { grow(more: number): void; free(held: number): void }) {
    this.#bytes = bytes;
    this.#budget = budget;
  }

  grow(more: number): void {
    if (this.#isFree) return;
    this.#budget.grow(more);
    this.#bytes += more;
  }

  leave(): void {
    this.#hasLeft = true;
    this.#freeIfDone();
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#working++;
    try {
      return await work();
    } finally {
      this.#working--;
      this.#freeIfDone();
    }
  }

  #freeIfDone(): void {
    if (!this.#hasLeft || this.#working > 0 || this.#isFree) return;
    this.#isFree = true;
    this.#budget.free(this.#bytes);
  }
}

function emptyBudget(maxBytes: number): Budget {
  return { requests: 0, bytes: 0, maxBytes, byCaller: new Map() };
}

function heldBy({ byCaller }: Budget, caller: string): Held {
  return byCaller.get(caller) ?? { requests: 0, bytes: 0 };
}

function add(counted: readonly Held[], requests: number, bytes: number): void {
  for (const held of counted) {
    held.requests += requests;
    held.bytes += bytes;
  }
}
