import type { Clock } from '../clock.ts';
import { ApiError } from '../errors.ts';

interface AdmissionOptions {
  maxRequests: number;
  /** Bytes that requests which send events may hold together. */
  maxBytes: number;
  /** Bytes that requests which read may hold together; as `maxBytes` if not given. */
  maxReadBytes?: number;
  clock: Pick<Clock, 'now' | 'random'>;
}

/** What a request does. Those that read and those that write have budgets of their own. */
export type Purpose = 'read' | 'write';

export interface Entry {
  purpose?: Purpose;
  /** Name of the caller, where callers have names: each has a share, and no more. */
  caller?: string | undefined;
}

/** What one admitted request holds. */
export interface Hold {
  /** Counts more bytes. @throws ApiError `overloaded`, and counts none, where there is no room for them */
  grow(bytes: number): void;
  /** To be called when the request has ended, however it ended. */
  leave(): void;
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
/** Weight of the last second in the drain rate: a burst counts, one slow second does not decide. */
const SMOOTHING = 0.3;
/** The part of a budget that one caller may hold. */
const SHARE = 0.5;

/**
 * Bounds what requests may hold in memory at the same time. What does not fit is turned away, if possible before its
 * body is read, with the time after which there will be room: the backlog divided by the rate at which it drains.
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
   * @param bytes what the request holds, as far as that is known
   * @throws ApiError `overloaded`
   */
  enter(bytes: number, { purpose = 'write', caller }: Entry = {}): Hold {
    const budget = this.#budgets[purpose];
    const own = caller === undefined ? undefined : heldBy(budget, caller);
    const hasRoom = budget.requests < this.#maxRequests && this.#fits(budget, own, bytes, own?.requests);
    if (!hasRoom || (own && own.requests >= this.#maxRequests * SHARE)) {
      this.#turnAway();
    }
    // Time without work says nothing about how fast work is done.
    if (this.requests === 0) this.#beginWindow();
    if (own !== undefined) budget.byCaller.set(caller!, own);
    const counted = own === undefined ? [budget] : [budget, own];
    add(counted, 1, bytes);
    let held = bytes;
    let isHere = true;
    return {
      grow: (more) => {
        if (!isHere) return;
        if (!this.#fits(budget, own, more, own && own.requests - 1)) this.#turnAway();
        add(counted, 0, more);
        held += more;
      },
      leave: () => {
        if (!isHere) return;
        isHere = false;
        add(counted, -1, -held);
        if (own?.requests === 0) budget.byCaller.delete(caller!);
        this.#countDrained();
      },
    };
  }

  /** What a caller has begun alone it may finish, whatever its share: a small budget takes large events, too. */
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

  /** Up to half as much again by chance, so that those turned away together do not come back together. */
  #retryAfterS(): number {
    const rate = this.#drainedPerSecond || this.#drained / this.#windowS() || 1;
    const seconds = (this.requests / rate) * (1 + this.#clock.random() / 2);
    return Math.min(MAX_RETRY_AFTER_S, Math.max(1, Math.ceil(seconds)));
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
