import { RateLimiterMemory, RateLimiterQueue, RateLimiterRes } from 'rate-limiter-flexible';
import type { ApiKey } from './api-keys.ts';
import { FootfallError } from './errors.ts';

/** What is left to a caller of the limit that applies. */
export interface RateLimitState {
  limit: number;
  remaining: number;
  /** Seconds until it is full again. */
  resetS: number;
}

const WINDOW_S = 1;
const ALL = 'all';
/** Elements of batches that are refused, a second, of one caller: reading and refusing them costs as events do. */
const REFUSED_PER_SECOND = 1000;

/** Events a second, by caller and over all, of this instance: several instances allow as many times more. */
export class RateLimits {
  readonly #overall: RateLimiterMemory | undefined;
  readonly #byRate = new Map<number, RateLimiterMemory>();
  readonly #refused = new RateLimiterQueue(createLimiter(REFUSED_PER_SECOND));

  /** @param eventsPerSecond of all callers together; 0: no limit */
  constructor(eventsPerSecond: number) {
    this.#overall = eventsPerSecond === 0 ? undefined : createLimiter(eventsPerSecond);
  }

  /** Whether there is any limit for a caller. */
  applyTo(caller: ApiKey | undefined): boolean {
    return this.#overall !== undefined || caller?.eventsPerSecond !== undefined;
  }

  /**
   * Takes a number of events off what is left. More than the limit at once passes when all of it is left, and is paid
   * for by waiting longer. What a caller's own limit refuses is not taken off what is left to all.
   *
   * @returns the caller's own limit, or that of all; nothing where none applies
   * @throws FootfallError `rate_limited`
   */
  async take(caller: ApiKey | undefined, events: number): Promise<RateLimitState | undefined> {
    const rate = caller?.eventsPerSecond;
    if (rate === undefined) return this.#overall && consume(this.#overall, ALL, events);
    const own = this.#limiter(rate);
    const state = await consume(own, caller!.name, events);
    try {
      if (this.#overall) await consume(this.#overall, ALL, events);
    } catch (error) {
      await own.reward(caller!.name, Math.min(events, rate));
      throw error;
    }
    return state;
  }

  /**
   * Counts elements of a batch that were refused. Resolves when their sender may have more of them refused: a batch that
   * was turned away instead would be sent again, with all that is refused of it.
   *
   * @param sender the caller's name, or the address it comes from
   */
  async countRefused(sender: string, elements: number): Promise<void> {
    await this.#refused.removeTokens(Math.min(elements, REFUSED_PER_SECOND), sender);
  }

  /** @throws FootfallError `rate_limited` while a sender's batches have held more that was refused than is allowed */
  async checkRefused(sender: string): Promise<void> {
    if ((await this.#refused.getTokensRemaining(sender)) <= 0) throw new FootfallError('rate_limited');
  }

  #limiter(eventsPerSecond: number): RateLimiterMemory {
    const known = this.#byRate.get(eventsPerSecond) ?? createLimiter(eventsPerSecond);
    this.#byRate.set(eventsPerSecond, known);
    return known;
  }
}

function createLimiter(points: number): RateLimiterMemory {
  return new RateLimiterMemory({ points, duration: WINDOW_S });
}

async function consume(limiter: RateLimiterMemory, key: string, events: number): Promise<RateLimitState> {
  try {
    const { remainingPoints, msBeforeNext } = await limiter.consume(key, Math.min(events, limiter.points));
    if (events > limiter.points) await limiter.block(key, events / limiter.points);
    return { limit: limiter.points, remaining: remainingPoints, resetS: Math.ceil(msBeforeNext / 1000) };
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    throw new FootfallError('rate_limited', {
      retryAfterS: Math.max(1, Math.ceil(error.msBeforeNext / 1000)),
    });
  }
}
