import { TokenBucket } from 'limiter';
import { ApiError } from '../errors.ts';
import type { ApiKey } from './api-keys.ts';

/** The remaining quota of the applicable limit. */
export interface RateLimitState {
  limit: number;
  remaining: number;
  /** Seconds until it is full again. */
  resetS: number;
}

/** Rejected batch elements per second and caller: reading and rejecting them costs as much as events. */
const REFUSED_PER_SECOND = 1000;
/** Beyond this number, senders are forgotten as soon as their full quota is restored. */
const MANY_SENDERS = 10_000;

/**
 * Limits events per second, by caller and in total, for this instance: n instances allow n times as many. Uses the
 * monotonic clock.
 */
export class RateLimits {
  readonly #overall: TokenBucket | undefined;
  readonly #byCaller = new Map<string, TokenBucket>();
  readonly #refusedBySender = new Map<string, TokenBucket>();

  /** @param eventsPerSecond of all callers together; 0: no limit */
  constructor(eventsPerSecond: number) {
    this.#overall = eventsPerSecond === 0 ? undefined : fullBucket(eventsPerSecond);
  }

  /** Whether a caller has any limit. */
  applyTo(caller: ApiKey | undefined): boolean {
    return this.#overall !== undefined || caller?.eventsPerSecond !== undefined;
  }

  /**
   * Takes a number of events from the quota. A request larger than the limit passes if the quota is full, followed by a
   * longer wait. Whatever one limit rejects is not taken from the other.
   *
   * @returns the caller's own limit, or the overall one; nothing if neither applies
   * @throws ApiError `rate_limited`
   */
  take(caller: ApiKey | undefined, events: number): RateLimitState | undefined {
    const buckets = [this.#bucketOf(caller), this.#overall].filter((bucket) => bucket !== undefined);
    for (const bucket of buckets) checkRoom(bucket, events);
    for (const bucket of buckets) bucket.content -= events;
    return buckets[0] && stateOf(buckets[0]);
  }

  /**
   * Counts rejected elements of a batch. Resolves when the sender may have more rejected: rejecting the batch instead
   * would make the client send it again, including all its invalid elements.
   *
   * @param sender the caller's name, or its address
   */
  async countRefused(sender: string, elements: number): Promise<void> {
    const bucket = this.#refusedBySender.get(sender) ?? fullBucket(REFUSED_PER_SECOND);
    if (this.#refusedBySender.size >= MANY_SENDERS) this.#forgetSenders();
    this.#refusedBySender.set(sender, bucket);
    await bucket.removeTokens(Math.min(elements, REFUSED_PER_SECOND));
  }

  /** @throws ApiError `rate_limited` while a sender's batches have exceeded the limit of rejected elements */
  checkRefused(sender: string): void {
    const bucket = this.#refusedBySender.get(sender);
    if (bucket !== undefined) checkRoom(bucket, 1);
  }

  #bucketOf(caller: ApiKey | undefined): TokenBucket | undefined {
    const rate = caller?.eventsPerSecond;
    if (rate === undefined) return undefined;
    const known = this.#byCaller.get(caller!.name);
    // After a reload, or with another key of the same name, the limit may differ.
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

/** @throws ApiError `rate_limited` with the time until there is room */
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
