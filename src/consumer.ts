// In: batches of the log. Out: each processed once, in order, and the position committed to the log afterwards.
import type { AssignedPartition, EventLog, LogBatch } from './log/event-log.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { Outages } from './outages.ts';
import type { Processor } from './processor.ts';
import { type Claim, type EventStore, Fenced } from './store/event-store.ts';
import { Watchdog, type WatchdogOptions } from './watchdog.ts';

const CANNOT_READ = 'the log cannot be read';
/** Transactions that are tried at a time: while the store has one, the next is decoded. */
const MAX_ATTEMPTS = 4;
/** Small batches that were read at once share a transaction of so many records. */
const SHARED_RECORDS = 1000;

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
  /** Batches that are being worked on, by partition: one of each, so that a partition is stored in order. */
  readonly #working = new Map<number, Promise<void>>();
  /** Transactions that are being tried. */
  readonly #attempts = new Set<Promise<unknown>>();
  #reading = new AbortController();
  readonly #outages: Outages;
  #state: Exclude<ConsumerState, 'recovering'> = 'starting';
  #running: Promise<void> | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    const { log, topic, logger, metrics } = options;
    this.#outages = new Outages(logger, this.#stopping.signal);
    this.#watchdog = new Watchdog({
      ...{ log, topic, logger, metrics },
      ...options.watchdog,
      waitingAt: () => (this.#working.size > 0 ? undefined : this.#nextOffsets()),
      restart: () => this.#reading.abort(),
    });
  }

  /** Partitions that have records and do not move; what is stalled is being begun anew. */
  get stalled(): readonly number[] {
    return this.#watchdog.stalled;
  }

  get state(): ConsumerState {
    return this.#outages.any && this.#state !== 'stopped' ? 'recovering' : this.#state;
  }

  start(): void {
    this.#running ??= this.#run();
    this.#watchdog.start();
  }

  /** Finishes the batches at hand, leaves the group and resolves. */
  async stop(): Promise<void> {
    this.#watchdog.stop();
    this.#stopping.abort();
    await this.#finishWorking();
    this.#reading.abort();
    await this.#running;
    this.#state = 'stopped';
  }

  async #run(): Promise<void> {
    const { log, topic, group } = this.#options;
    while (!this.#stopping.signal.aborted) {
      this.#reading = new AbortController();
      const { signal } = this.#reading;
      try {
        const reading = log.subscribe({ topic, group, signal, startAt: (assigned) => this.#claim(assigned) });
        for await (const read of reading) {
          // If we die here: nothing of it is stored, and whoever claims the partitions next reads it anew.
          await this.#take(read);
        }
      } catch (error) {
        await this.#outages.backOff(CANNOT_READ, error as Error);
      }
      await this.#finishWorking();
    }
  }

  /** Begins batches as soon as those of their partitions before are done and there is room. */
  async #take(read: readonly LogBatch[]): Promise<void> {
    for (const batches of inGroups(read)) {
      await Promise.all(batches.map(({ partition }) => this.#working.get(partition)));
      while (this.#attempts.size >= MAX_ATTEMPTS) await Promise.race(this.#attempts);
      // The group is left only when what is being worked on is done.
      if (this.#stopping.signal.aborted) return this.#finishWorking();
      const attempt = this.#attempt(batches);
      for (const batch of batches) {
        const work = this.#finish(batch, attempt).finally(() => this.#working.delete(batch.partition));
        this.#working.set(batch.partition, work);
      }
    }
  }

  /** @returns why they cannot be stored, if so */
  #attempt(batches: readonly LogBatch[]): Promise<Error | undefined> {
    const attempt = this.#store(batches)
      .then(() => undefined)
      .catch((error: Error) => error)
      .finally(() => this.#attempts.delete(attempt));
    this.#attempts.add(attempt);
    return attempt;
  }

  /** Resolves when nothing is being worked on. */
  async #finishWorking(): Promise<void> {
    await Promise.all(this.#working.values());
  }

  /** Claims what was assigned, for as long as it takes, and decides where to start. */
  async #claim(assigned: readonly AssignedPartition[]): Promise<Map<number, number>> {
    // What they store decides where to start; what is not ours any more ends by itself.
    await this.#finishWorking();
    this.#positions.clear();
    this.#options.metrics.lag.reset();
    const first = assigned[0];
    if (first !== undefined) {
      const { topic, topicId } = first;
      const ref = { group: this.#options.group, topic, topicId };
      const numbers = assigned.map(({ partition }) => partition);
      const claims = await this.#outages.untilDone('the store cannot be reached', () =>
        this.#options.store.claim(ref, numbers),
      );
      for (const [at, partition] of (claims === undefined ? [] : assigned).entries()) {
        const position = await this.#begin(partition, claims![at]!);
        this.#positions.set(partition.partition, position);
        this.#reportLag(partition.partition, partition.end - position.next);
      }
    }
    this.#outages.end(CANNOT_READ);
    this.#state = 'consuming';
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

  /** Stores batches in one transaction, as far as they are ours and not stored yet, and tells the log. */
  async #store(batches: readonly LogBatch[]): Promise<void> {
    const placed = batches.flatMap((batch) => {
      const position = this.#positions.get(batch.partition);
      if (position === undefined || !batch.isAssigned() || position.next >= batch.nextOffset) return [];
      const { epoch, stored: fromOffset, next: firstOffset } = position;
      const records = batch.records.filter(({ offset }) => offset >= firstOffset);
      return [{ batch: { ...batch, records }, position, epoch, fromOffset, firstOffset }];
    });
    if (placed.length === 0) return;
    try {
      await this.#options.processor.process(placed);
    } catch (error) {
      // Another member has claimed the partition. If it is still ours, that one was late: claim it back and
      // go on from where the store now stands. If it is not, this batch is theirs. Of several it shows alone.
      const [batch] = batches;
      if (error instanceof Fenced && batches.length === 1 && batch!.isAssigned())
        await this.#claimAgain(batch!);
      throw error;
    }
    for (const { batch, position } of placed) {
      position.stored = batch.nextOffset;
      position.next = batch.nextOffset;
      this.#reportLag(batch.partition, batch.endOffset - batch.nextOffset);
      batch.commit();
    }
  }

  /** After an attempt that failed, which batch is at fault is not known: each goes on alone. */
  async #finish(batch: LogBatch, attempt: Promise<Error | undefined>): Promise<void> {
    const what = `partition ${batch.partition} cannot be stored`;
    const error = await attempt;
    if (error === undefined) return;
    await this.#outages.backOff(what, error);
    await this.#outages.untilDone(what, () => this.#store([batch]));
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
}

/** What was read at once, in transactions: one for each large batch, and as few as can be for small ones. */
function inGroups(batches: readonly LogBatch[]): LogBatch[][] {
  const groups: LogBatch[][] = [];
  let records = Number.POSITIVE_INFINITY;
  for (const batch of batches) {
    records += batch.records.length;
    if (records > SHARED_RECORDS) {
      groups.push([]);
      records = batch.records.length;
    }
    groups.at(-1)!.push(batch);
  }
  return groups;
}
