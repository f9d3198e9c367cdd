// In: batches of the log. Out: each processed once, in order, and the position committed to the log afterwards.
import { setTimeout as sleep } from 'node:timers/promises';
import type { AssignedPartition, EventLog, LogBatch } from './log/event-log.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { Processor } from './processor.ts';
import { type Claim, type EventStore, Fenced } from './store/event-store.ts';
import { Watchdog, type WatchdogOptions } from './watchdog.ts';

const MAX_BACKOFF_MS = 5000;

export interface ConsumerOptions {
  log: EventLog;
  store: EventStore;
  processor: Processor;
  topic: string;
  group: string;
  logger: Logger;
  metrics: Metrics;
  /** How often progress is looked at, and how long there may be none although there are records. */
  watchdog: Pick<WatchdogOptions, 'checkEveryMs' | 'stalledAfterMs'>;
}

/** Where this consumer stands in a partition it was given. */
interface Position {
  epoch: number;
  /** What the store has: a batch is accepted only as the continuation of this. */
  stored: number | null;
  /** First offset not processed yet. */
  next: number;
}

/** `recovering`: log or store could not be used; tried again for ever, with growing pauses. */
export type ConsumerState = 'starting' | 'consuming' | 'recovering' | 'stopped';

/** Follows the topic as a member of the group and keeps at it until stopped. */
export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #stopping = new AbortController();
  readonly #positions = new Map<number, Position>();
  readonly #watchdog: Watchdog;
  #reading = new AbortController();
  #working = false;
  #state: ConsumerState = 'starting';
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    const { log, topic, logger, metrics } = options;
    this.#watchdog = new Watchdog({
      ...{ log, topic, logger, metrics },
      ...options.watchdog,
      waitingAt: () => (this.#working ? undefined : this.#nextOffsets()),
      restart: () => this.#reading.abort(),
    });
  }

  /** Partitions that have records and do not move; what is stalled is being begun anew. */
  get stalled(): readonly number[] {
    return this.#watchdog.stalled;
  }

  get state(): ConsumerState {
    return this.#state;
  }

  start(): void {
    this.#running ??= this.#run();
    this.#watchdog.start();
  }

  /** Finishes the batch at hand, leaves the group and resolves. */
  async stop(): Promise<void> {
    this.#watchdog.stop();
    this.#stopping.abort();
    await this.#running;
    this.#state = 'stopped';
  }

  async #run(): Promise<void> {
    const { log, topic, group } = this.#options;
    while (!this.#stopping.signal.aborted) {
      this.#reading = new AbortController();
      const signal = AbortSignal.any([this.#stopping.signal, this.#reading.signal]);
      try {
        const batches = log.subscribe({ topic, group, signal, startAt: (assigned) => this.#claim(assigned) });
        for await (const batch of batches) {
          // If we die here: nothing of the batch is stored, and whoever claims the partition next reads it anew.
          this.#working = true;
          await this.#process(batch);
          this.#working = false;
        }
      } catch (error) {
        await this.#backOff(error as Error, 'the log cannot be read');
      }
    }
  }

  /** Claims what was assigned, for as long as it takes, and decides where to start. */
  async #claim(assigned: readonly AssignedPartition[]): Promise<Map<number, number>> {
    this.#positions.clear();
    this.#options.metrics.lag.reset();
    const first = assigned[0];
    if (first !== undefined) {
      const { topic, topicId } = first;
      const ref = { group: this.#options.group, topic, topicId };
      const numbers = assigned.map(({ partition }) => partition);
      const claims = await this.#untilDone('the store cannot be reached', () =>
        this.#options.store.claim(ref, numbers),
      );
      for (const [at, partition] of (claims === undefined ? [] : assigned).entries()) {
        const position = await this.#begin(partition, claims![at]!);
        this.#positions.set(partition.partition, position);
        this.#reportLag(partition.partition, partition.end - position.next);
      }
    }
    this.#recovered();
    return this.#nextOffsets();
  }

  #nextOffsets(): Map<number, number> {
    return new Map([...this.#positions].map(([partition, { next }]) => [partition, next]));
  }

  /** Compares what the store has processed with what the log holds; they differ after a loss on either side. */
  async #begin(
    { topic, partition, earliest, end, reaches }: AssignedPartition,
    { epoch, offset, topicRecreated }: Claim,
  ): Promise<Position> {
    const { logger, metrics } = this.#options;
    if (topicRecreated) {
      logger.warn({ topic, partition }, '[Consumer] The topic was created anew: reading it from its start');
    }
    if (offset !== null && offset < earliest) {
      metrics.dataGaps.inc({ partition }, earliest - offset);
      logger.error(
        { topic, partition, from: offset, to: earliest },
        '[Consumer] Data gap: the log has deleted records that were not processed yet',
      );
    }
    const isCutShort = offset !== null && offset > end && !(await reaches(offset));
    if (isCutShort) {
      logger.error(
        { topic, partition, processed: offset, end },
        '[Consumer] The log ends before what was processed: it has lost records; reading on from its end',
      );
    }
    const next = isCutShort ? Math.max(end, earliest) : Math.max(offset ?? earliest, earliest);
    return { epoch, stored: offset, next };
  }

  async #process(batch: LogBatch): Promise<void> {
    await this.#untilDone('a batch cannot be stored', async () => {
      const position = this.#positions.get(batch.partition);
      if (position === undefined || !batch.isAssigned() || position.next >= batch.nextOffset) return;
      try {
        await this.#processFrom(batch, position);
      } catch (error) {
        if (!(error instanceof Fenced)) throw error;
        // Another member has claimed the partition. If it is still ours, that one was late: claim it back and
        // go on from where the store now stands. If it is not, this batch is theirs.
        if (batch.isAssigned()) await this.#claimAgain(batch);
        throw error;
      }
      batch.commit();
    });
  }

  async #processFrom(batch: LogBatch, position: Position): Promise<void> {
    const { epoch, stored, next } = position;
    const records = batch.records.filter(({ offset }) => offset >= next);
    await this.#options.processor.process(
      { ...batch, records },
      { epoch, fromOffset: stored, firstOffset: next },
    );
    position.stored = batch.nextOffset;
    position.next = batch.nextOffset;
    this.#reportLag(batch.partition, batch.endOffset - batch.nextOffset);
  }

  #reportLag(partition: number, records: number): void {
    this.#options.metrics.lag.set({ partition }, Math.max(0, records));
  }

  async #claimAgain({ topic, topicId, partition }: LogBatch): Promise<void> {
    const [claim] = await this.#options.store.claim({ group: this.#options.group, topic, topicId }, [
      partition,
    ]);
    const { epoch, offset } = claim!;
    this.#options.logger.warn({ topic, partition, epoch, offset }, '[Consumer] Partition claimed again');
    this.#positions.set(partition, { epoch, stored: offset, next: offset ?? 0 });
  }

  /** Repeats `work` until it succeeds or the consumer is stopped. A dependency's outage never drops an event. */
  async #untilDone<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    while (!this.#stopping.signal.aborted) {
      try {
        const result = await work();
        this.#recovered();
        return result;
      } catch (error) {
        await this.#backOff(error as Error, what);
      }
    }
    return undefined;
  }

  async #backOff(error: Error, what: string): Promise<void> {
    const { logger } = this.#options;
    if (this.#stopping.signal.aborted) return;
    if (error instanceof Fenced) logger.debug({ err: error }, `[Consumer] ${what}`);
    else if (this.#failures++ === 0)
      logger.error({ err: error }, `[Consumer] ${what}; trying again until it works`);
    else logger.debug({ err: error, failures: this.#failures }, `[Consumer] ${what}`);
    if (this.#failures > 0) this.#state = 'recovering';
    const pauseMs =
      Math.min(MAX_BACKOFF_MS, 50 * 2 ** Math.min(this.#failures, 10)) * (0.5 + Math.random() / 2);
    await sleep(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }

  #recovered(): void {
    if (this.#failures > 0)
      this.#options.logger.info({ failures: this.#failures }, '[Consumer] working again');
    this.#failures = 0;
    this.#state = 'consuming';
  }
}
