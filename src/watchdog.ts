import type { EventLog } from './log/event-log.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

export interface WatchdogOptions {
  log: EventLog;
  topic: string;
  logger: Logger;
  metrics: Metrics;
  /** Next offset of each partition that is held; nothing while a batch is being worked on or nothing is held. */
  waitingAt(): ReadonlyMap<number, number> | undefined;
  /** Begins the reading anew. */
  restart(): void;
  checkEveryMs: number;
  /** How long a partition may have records and not move. */
  stalledAfterMs: number;
}

/**
 * Notices a reading that has gone silent: the log has records, nobody is working, and a partition does not move.
 * Clients have failed that way, with every health check green. Also keeps the lag true between batches.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #seen = new Map<number, { offset: number; sinceMs: number }>();
  #timer: NodeJS.Timeout | undefined;
  #stalled: number[] = [];

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** Partitions that had records and did not move when last looked at. */
  get stalled(): readonly number[] {
    return this.#stalled;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#check(), this.#options.checkEveryMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    const { log, topic, logger, metrics, restart, stalledAfterMs } = this.#options;
    try {
      const { ends } = await log.ends(topic);
      const now = performance.now();
      const waiting = this.#options.waitingAt() ?? new Map<number, number>();
      for (const partition of this.#seen.keys()) if (!waiting.has(partition)) this.#seen.delete(partition);
      for (const [partition, offset] of waiting) {
        const lag = (ends.get(partition) ?? offset) - offset;
        metrics.lag.set({ partition }, Math.max(0, lag));
        const seen = this.#seen.get(partition);
        if (lag <= 0 || seen?.offset !== offset) this.#seen.set(partition, { offset, sinceMs: now });
      }
      this.#stalled = [...this.#seen]
        .filter(([, { sinceMs }]) => now - sinceMs >= stalledAfterMs)
        .map(([at]) => at);
      if (this.#stalled.length === 0) return;
      metrics.watchdogRestarts.inc();
      logger.error(
        { topic, partitions: this.#stalled },
        '[Consumer] Silent although there are records: reading anew',
      );
      this.#seen.clear();
      restart();
    } catch (error) {
      // The log cannot be asked: reading fails, too, and is being tried again.
      logger.debug({ err: error }, '[Consumer] progress not checked');
    }
  }
}
