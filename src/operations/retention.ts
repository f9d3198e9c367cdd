// In: how long events are kept. Out: what is older leaves the store and the embedded log, in small steps.
import type { Clock } from '../clock.ts';
import { countedIn, countedValuesOf } from '../events/counted-values.ts';
import type { RetentionDays } from '../events/retention-days.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { ALL_DAYS, DAY_MS, type EventStore, type KeptDays } from '../store/event-store.ts';

/** Days end at any time somewhere between two looks. */
const EVERY_MS = 3_600_000;
const AFTER_FAILURE_MS = 60_000;
/** Removed in one transaction. */
const STEP = 500;
/** Between two steps, so that storing hardly notices them. */
const LEAST_PAUSE_MS = 10;

interface RetentionOptions {
  days: RetentionDays;
  log: Pick<EventLog, 'trim'>;
  store: Pick<EventStore, 'retention' | 'positions'>;
  topic: string;
  deadLetterTopic: string;
  group: string;
  /** Payload properties whose values are counted, as events are stored. */
  countedProperties: readonly string[];
  logger: Logger;
  metrics: Pick<Metrics, 'retentionRemoved' | 'retentionFailures'>;
  clock: Clock;
}

/** The days that are to be kept now. */
export function keptDays({ overall, types, today }: RetentionDays): KeptDays {
  return {
    others: overall === undefined ? ALL_DAYS : today - overall,
    types: [...types].map(([eventType, days]) => ({ eventType, day: today - days })),
  };
}

/** Removes what is past its retention for as long as the instance runs. Several instances may do so at once. */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #stopping = new AbortController();
  readonly #countedValues: ReturnType<typeof countedValuesOf>;
  #running: Promise<void> | undefined;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#countedValues = countedValuesOf(options.countedProperties);
  }

  start(): void {
    if (this.#options.days.isOn) this.#running ??= this.#run();
  }

  /** Resolves when the step in progress is done. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, logger, metrics } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let pauseMs = EVERY_MS;
      try {
        await this.#removeAll();
      } catch (error) {
        metrics.retentionFailures.inc();
        logger.warn(
          { err: error },
          'What is past its retention could not be removed: trying again in a minute',
        );
        pauseMs = AFTER_FAILURE_MS;
      }
      await clock.sleep(pauseMs, signal);
    }
  }

  async #removeAll(): Promise<void> {
    const { days, store, logger } = this.#options;
    const kept = await store.retention.keepFrom(keptDays(days));
    // If we die here or between two steps: the next look finds what is left.
    const removed = {
      events: await this.#inSteps('event', () => this.#removeEvents()),
      deadLetters: await this.#removeDeadLetters(),
      records: await this.#trimLog(kept),
    };
    if (Object.values(removed).every((count) => count === 0)) return;
    logger.info(removed, 'Removed what is past its retention');
  }

  async #removeEvents(): Promise<number> {
    const { retention } = this.#options.store;
    const found = await retention.findExpired(STEP);
    if (found.length === 0) return 0;
    return retention.remove(
      found.map(({ sequence, json }) => ({ sequence, counted: countedIn(json, this.#countedValues) })),
    );
  }

  async #removeDeadLetters(): Promise<number> {
    const { days, store } = this.#options;
    if (days.overall === undefined) return 0;
    const before = new Date((days.today - days.overall) * DAY_MS);
    return this.#inSteps('dead-letter', () => store.retention.removeDeadLetters(before, STEP));
  }

  /** Kafka has a retention of its own. */
  async #trimLog({ others, types }: KeptDays): Promise<number> {
    const { log, store, topic, deadLetterTopic, group } = this.#options;
    if (log.trim === undefined || others === ALL_DAYS) return 0;
    // A store in memory is filled from the log at each start.
    const before = new Date(types.reduce((first, { day }) => Math.min(first, day), others) * DAY_MS);
    const passed = new Map(
      (await store.positions(group, topic)).map(({ partition, offset }) => [partition, offset ?? 0]),
    );
    const trim = async (name: string, isPassed: (partition: number) => number) =>
      this.#inSteps('log-record', async () =>
        log.trim!({ topic: name, before, passed: isPassed, limit: STEP }),
      );
    return (
      (await trim(topic, (partition) => passed.get(partition) ?? 0)) +
      (await trim(deadLetterTopic, () => Number.POSITIVE_INFINITY))
    );
  }

  /** Repeats a step until there is nothing left, with pauses as long as the steps. @returns how much was removed */
  async #inSteps(kind: string, step: () => Promise<number>): Promise<number> {
    const { clock, metrics } = this.#options;
    const { signal } = this.#stopping;
    let all = 0;
    while (!signal.aborted) {
      const began = clock.now();
      const removed = await step();
      metrics.retentionRemoved.inc({ kind }, removed);
      all += removed;
      if (removed === 0) break;
      await clock.sleep(Math.max(LEAST_PAUSE_MS, clock.now() - began), signal);
    }
    return all;
  }
}
