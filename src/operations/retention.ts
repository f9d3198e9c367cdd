// In: how long events are kept. Out: what is older leaves the store and the embedded log, in small steps.
import type { Clock } from '../clock.ts';
import { countedIn, countedValuesOf } from '../events/counted-values.ts';
import type { RetentionDays } from '../events/retention-days.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import {
  ALL_DAYS,
  DAY_MS,
  daysOf,
  type EventStore,
  earliestDay,
  type KeptDays,
  latestDay,
} from '../store/event-store.ts';
import { expiredEvents } from './expired-events.ts';

/** Days end at any time somewhere between two looks. */
const EVERY_MS = 3_600_000;
const AFTER_FAILURE_MS = 60_000;
/** Removed in one transaction. */
const STEP = 500;
/** Between two steps, so that storing hardly notices them. */
const LEAST_PAUSE_MS = 10;

interface RetentionOptions {
  days: RetentionDays;
  log: Pick<EventLog, 'trim' | 'ends'>;
  store: Pick<EventStore, 'counts' | 'readByTime' | 'retention' | 'positions' | 'storeId'>;
  /** Whether this process removes; otherwise it only learns what is kept. */
  removes: boolean;
  topic: string;
  deadLetterTopic: string;
  group: string;
  /** Payload properties whose values are counted, as events are stored. */
  countedProperties: readonly string[];
  logger: Logger;
  metrics: Pick<Metrics, 'retentionRemoved' | 'retentionFailures'>;
  clock: Clock;
}

/** The days from which events are to be kept. */
export function wantedDays({ overall, types }: RetentionDays, today: number): KeptDays {
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
    this.#running ??= this.#run();
  }

  /** Resolves when the step in progress is done. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let pauseMs = EVERY_MS;
      try {
        await this.#look();
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error as Error);
        pauseMs = AFTER_FAILURE_MS;
      }
      await clock.sleep(pauseMs, signal);
    }
  }

  #failed(error: Error): void {
    const { logger, metrics } = this.#options;
    if (!this.#removes) {
      logger.debug({ err: error }, 'cannot ask the store what is kept');
      return;
    }
    metrics.retentionFailures.inc();
    logger.warn({ err: error }, 'What is past its retention could not be removed: trying again in a minute');
  }

  get #removes(): boolean {
    return this.#options.removes && this.#options.days.isOn;
  }

  /** Also where everything is kept now, or another process removes: what is gone by earlier settings does not come back. */
  async #look(): Promise<void> {
    if (this.#removes) await this.#removeAll();
    else this.#learn(await this.#options.store.retention.keptDays());
  }

  async #removeAll(): Promise<void> {
    const { days, store, logger } = this.#options;
    // Nothing goes before both clocks say so: one that is wrong could not be undone.
    const today = Math.min(days.today, (await store.retention.today?.()) ?? days.today);
    const kept = await store.retention.keepFrom(wantedDays(days, today), this.#stopping.signal);
    this.#learn(kept);
    // If we die here or between two steps: the next look finds what is left.
    const removed = {
      events: await this.#removeEvents(kept),
      deadLetters: await this.#removeDeadLetters(today),
      records: await this.#trimLog(kept),
    };
    if (Object.values(removed).every((count) => count === 0)) return;
    logger.info(removed, 'Removed what is past its retention');
  }

  #learn(kept: KeptDays): void {
    if (latestDay(kept) > ALL_DAYS) this.#options.days.learn(daysOf(kept));
  }

  #removeEvents(kept: KeptDays): Promise<number> {
    const { store } = this.#options;
    const expired = expiredEvents(store, kept, STEP);
    return this.#inSteps('event', async () => {
      const { value: found } = await expired.next();
      if (found === undefined) return 0;
      return store.retention.remove(
        found.map(({ sequence, json }) => ({ sequence, counted: countedIn(json, this.#countedValues) })),
      );
    });
  }

  async #removeDeadLetters(today: number): Promise<number> {
    const { days, store } = this.#options;
    if (days.overall === undefined) return 0;
    const before = new Date((today - days.overall) * DAY_MS);
    return this.#inSteps('dead-letter', () => store.retention.removeDeadLetters(before, STEP));
  }

  /** Kafka has a retention of its own. */
  async #trimLog(kept: KeptDays): Promise<number> {
    const { log, store, topic, deadLetterTopic, group } = this.#options;
    // A store that lasts only as long as the process is filled from the log at each start.
    if (log.trim === undefined || kept.others === ALL_DAYS || store.storeId !== '') return 0;
    const before = new Date(earliestDay(kept) * DAY_MS);
    const { topicId } = await log.ends(topic);
    const positions = (await store.positions(group, topic)).filter((one) => one.topicId === topicId);
    const passed = new Map(positions.map(({ partition, offset }) => [partition, offset ?? 0]));
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
