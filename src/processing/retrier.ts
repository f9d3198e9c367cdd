// In: work that may fail because of log or store. Out: the work done, however long it takes; logs its first failure and
// its recovery.
import { backOffMs, type Clock } from '../clock.ts';
import { describeCause } from '../describe-cause.ts';
import type { Logger } from '../observability/logger.ts';
import { FencedError } from '../store/event-store.ts';

const FIRST_PAUSE_MS = 50;
/** The dashboard says within five seconds that processing goes on, and probes take some of that. */
export const LONGEST_PAUSE_MS = 2000;

/** What is currently failing and being retried, with growing pauses. */
export class Retrier {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #stopping: AbortSignal;
  /** Consecutive failures of each, and the last reason. */
  readonly #failures = new Map<string, { times: number; error: Error }>();

  constructor({ logger, clock, stopping }: { logger: Logger; clock: Clock; stopping: AbortSignal }) {
    this.#logger = logger;
    this.#clock = clock;
    this.#stopping = stopping;
  }

  /** What is failing and why; undefined if nothing is. */
  get reason(): string | undefined {
    const [first] = this.#failures;
    return first && `${first[0]}: ${describeCause(first[1].error)}`;
  }

  /** Whether anything is currently failing. */
  get hasFailures(): boolean {
    return this.#failures.size > 0;
  }

  /** Repeats `work` until it succeeds or the consumer is stopped. A dependency's outage never drops an event. */
  async retryForever<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    while (!this.#stopping.aborted) {
      try {
        const result = await work();
        this.recordSuccess(what);
        return result;
      } catch (error) {
        await this.backOff(what, error as Error);
      }
    }
    return undefined;
  }

  /** Records a failure and pauses. */
  async backOff(what: string, error: Error): Promise<void> {
    if (this.#stopping.aborted) return;
    let failures = this.#failures.get(what)?.times ?? 0;
    // Another member owning the partition is not a failure.
    if (error instanceof FencedError) this.#logger.debug({ err: error }, `[Consumer] ${what}`);
    else {
      if (this.hasFailures) this.#logger.debug({ err: error, failures }, `[Consumer] ${what}`);
      else this.#logger.error({ err: error }, `[Consumer] ${what}; trying again until it works`);
      this.#failures.set(what, { times: ++failures, error });
    }
    const pauseMs = backOffMs(FIRST_PAUSE_MS, failures, this.#clock, LONGEST_PAUSE_MS);
    await this.#clock.sleep(pauseMs, this.#stopping);
  }

  /** Records a success. */
  recordSuccess(what: string): void {
    if (this.#failures.delete(what) && !this.hasFailures) this.#logger.info('[Consumer] working again');
  }
}
