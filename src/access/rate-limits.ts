import { TokenBucket } from 'limiter';
import { ApiError } from '../errors.ts';
import type { ApiKey } from './api-keys.ts';

/** What is left to a caller of the limit that applies. */
export interface RateLimitState {
  limit: number;
  remaining: number;
  /** Seconds until it is full again. */
  resetS: number;
}

/** Elements of batches that are refused, a second, of one caller: reading and refusing them costs as events do. */
const REFUSED_PER_SECOND = 1000;
/** Senders are forgotten beyond this number, as soon as all is left to them again. */
const MANY_SENDERS = 10_000;

/**
 * Events a second, by caller and over all, of this instance: several instances allow as many times more. Goes by a clock
 * that nobody sets.
 */
export class RateLimits {
  readonly #overall: TokenBucket | undefined;
  readonly #byCaller = new Map<string, TokenBucket>();
  readonly #refusedBySender = new Map<string, TokenBucket>();

  /** @param eventsPerSecond of all callers together; 0: no limit */
  constructor(eventsPerSecond: number) {
    this.#overall = eventsPerSecond === 0 ? undefined : fullBucket(eventsPerSecond);
  }

  /** Whether there is any limit for a caller. */
  applyTo(caller: ApiKey | undefined): boolean {
    return this.#overall !== undefined || caller?.eventsPerSecond !== undefined;
  }

  /**
   * Takes a number of events off what is left. More than the limit at once passes when all of it is left, and is paid
   * for by waiting longer. What one limit refuses is not taken off the other.
   *
   * @returns the caller's own limit, or that of all; nothing where none applies
   * @throws ApiError `rate_limited`
   */
  take(caller: ApiKey | undefined, events: number): RateLimitState | undefined {
    const buckets = [this.#bucketOf(caller), this.#overall].filter((bucket) => bucket !== undefined);
    for (const bucket of buckets) checkRoom(bucket, events);
    for (const bucket of buckets) bucket.content -= events;
    return buckets[0] && stateOf(buckets[0]);
  }

  /**
   * Counts elements of a batch that were refused. Resolves when their sender may have more of them refused: a batch that
   * was turned away instead would be sent again, with all that is refused of it.
   *
   * @param sender the caller's name, or the address it comes from
   */
  async countRefused(sender: string, elements: number): Promise<void> {
    const bucket = this.#refusedBySender.get(sender) ?? fullBucket(REFUSED_PER_SECOND);
    if (this.#refusedBySender.size >= MANY_SENDERS) this.#forgetSenders();
    this.#refusedBySender.set(sender, bucket);
    await bucket.removeTokens(Math.min(elements, REFUSED_PER_SECOND));
  }

  /** @throws ApiError `rate_limited` while a sender's batches have held more that was refused than is allowed */
  checkRefused(sender: string): void {
    const bucket = this.#refusedBySender.get(sender);
    if (bucket !== undefined) checkRoom(bucket, 1);
  }

  #bucketOf(caller: ApiKey | undefined): TokenBucket | undefined {
    const rate = caller?.eventsPerSecond;
    if (rate === undefined) return undefined;
    const known = this.#byCaller.get(caller!.name);
    // Another key of the same name, or the same one after a reload, may allow more or less.
    const bucket = known?.bucketSize === rate ? known : fullBucket(rate);
    this.#byCaller.set(caller!.name, bucket);
    return bucket;
  }

  #forgetSenders(): void {
    for (const [sender, bucket] of this.#refusedBySender) {
      if (bucket.getWaitTime(bucket.bucketSize) === 0) this.#refusedBySender.delete(sender);
    }
  }
}

function fullBucket(perSecond: number): TokenBucket {
  const bucket = new TokenBucket({
    bucketSize: perSecond,
    tokensPerInterval: perSecond,
    interval: 'second',
  });
  bucket.content = perSecond;
  return bucket;
}

/** @throws ApiError `rate_limited` with the time after which there is room */
function checkRoom(bucket: TokenBucket, events: number): void {
  const waitMs = bucket.getWaitTime(Math.min(events, bucket.bucketSize));
  if (waitMs > 0) throw new ApiError('rate_limited', { retryAfterS: Math.ceil(waitMs / 1000) });
}

function stateOf({ bucketSize, content }: TokenBucket): RateLimitState {
  return {
    limit: bucketSize,
    remaining: Math.max(0, Math.floor(content)),
    resetS: Math.ceil((bucketSize - content) / bucketSize),
  };
}
