import type { Entry } from './event.ts';
import type { Settings } from './options.ts';
import { sumOf } from './queue.ts';
import { post } from './request.ts';
import { judge, type Verdict } from './verdict.ts';

/** Browsers allow 64 KB for all requests together that may outlive their page. */
export const MAX_BATCH_BYTES = 60_000;
const MAX_WAIT_MS = 30_000;
/** Failures that waiting alone does not fix: an invalid key, a wrong URL. */
const MAX_LONG_WAIT_MS = 300_000;

/** Requests in flight, and the retry policy. */
export class Sender {
  /** Most events in the next request: fewer after one was rejected as a whole. */
  most: number;
  readonly #settings: Settings;
  /** By request: the events it carries, including those that may outlive the page. */
  readonly #requests = new Map<AbortController, readonly Entry[]>();
  #failures = 0;
  readonly #waits = new Set<() => void>();

  constructor(settings: Settings) {
    this.#settings = settings;
    this.most = settings.batchSize;
  }

  /** Events in flight that arrive even if the page goes. */
  get outliving(): Set<Entry> {
    return new Set([...this.#requests.values()].flat());
  }

  /**
   * @param isLeaving whether the page is about to close
   * @returns the meaning of the response, and how long to wait; undefined if it was stopped
   */
  async send(
    batch: readonly Entry[],
    isLeaving: boolean,
  ): Promise<(Verdict & { waitMs: number }) | undefined> {
    const request = new AbortController();
    // Browsers limit keepalive requests; after a failure send without, in case other pages have used up the quota.
    const keepalive = (isLeaving || this.#failures === 0) && sumOf(batch) < MAX_BATCH_BYTES;
    this.#requests.set(request, keepalive ? batch : []);
    const answer = await post(this.#settings, batch, keepalive, request);
    if (!this.#requests.delete(request)) return undefined;
    const verdict = judge(batch, answer);
    return { ...verdict, waitMs: this.#waitMs(verdict.next, batch.length, answer.retryAfterMs) };
  }

  #waitMs(next: Verdict['next'], events: number, leastMs: number): number {
    if (next === 'wait') return this.#backoff(leastMs, MAX_WAIT_MS);
    if (next === 'wait long') return this.#backoff(leastMs, MAX_LONG_WAIT_MS);
    this.#failures = 0;
    const { batchSize } = this.#settings;
    this.most = Math.min(batchSize, next === 'send fewer' ? events >> 1 : Math.ceil(this.most * 1.1));
    return 0;
  }

  /** At least as long as the service asks for; doubles, with jitter, so that clients do not come back in step. */
  #backoff(leastMs: number, mostMs: number): number {
    const ms = Math.min(mostMs, 200 * 2 ** this.#failures++);
    return Math.max(leastMs, ms * (0.5 + Math.random() / 2));
  }

  /** Resolves after this many milliseconds, or when `hurry()` or `stop()` is called. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#waits.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#waits.add(end);
    });
  }

  /** Retries at once. */
  hurry(): void {
    this.#failures = 0;
    for (const end of this.#waits) end();
  }

  /** Aborts requests in flight; their events may have arrived. */
  stop(): void {
    const requests = [...this.#requests.keys()];
    this.#requests.clear();
    for (const request of requests) request.abort();
    this.hurry();
  }
}
