import type { Clock } from '../clock.ts';
import { describeCause } from '../describe-cause.ts';

/** After this long without another attempt, nothing is known. */
const KNOWN_MS = 10_000;

/**
 * Appends that failed since one was last confirmed. A log may answer every question about itself and still take no record:
 * the clock is off, a right is missing, a quota is used up. Only appending shows that.
 */
export class FailingAppends {
  readonly #clock: Pick<Clock, 'now'>;
  #count = 0;
  #latestAt = Number.NEGATIVE_INFINITY;
  #cause: unknown;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** One was confirmed, or the log is down and says so itself. */
  forget(): void {
    this.#count = 0;
    this.#cause = undefined;
  }

  failed(cause: unknown): void {
    this.#count++;
    this.#cause = cause;
    this.#latestAt = this.#clock.now();
  }

  /** For people; undefined if the latest append was confirmed, only one has failed, or nobody has tried for a while. */
  get problem(): string | undefined {
    if (this.#count < 2 || this.#clock.now() - this.#latestAt > KNOWN_MS) return undefined;
    return `the latest ${this.#count} events could not be appended: ${describeCause(this.#cause)}`;
  }
}
