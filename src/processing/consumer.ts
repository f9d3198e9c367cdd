// In: batches of the log. Out: each processed once, in order, then its position committed to the log.
import type { Clock } from '../clock.ts';
import type { AssignedPartition, EventLog, LogBatch, ReadingStart, StartPosition } from '../log/event-log.ts';
import { type Landmark, landmarksBehind } from '../log/landmarks.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { type EventStore, FencedError, type KeptDays } from '../store/event-store.ts';
import { AssignedStarts } from './assigned-starts.ts';
import type { ClaimedBatch, Processor } from './processor.ts';
import type { Poll } from './progress.ts';
import { Retrier } from './retrier.ts';
import { groupForTransactions } from './shared-transactions.ts';
import { batchPast } from './start-position.ts';
import { type IdlePosition, type IdlePositions, Watchdog } from './watchdog.ts';

const CANNOT_READ = 'the log cannot be read';
/** Transactions attempted at a time: while the store runs one, the next is decoded. */
const MAX_TRANSACTIONS = 4;

interface ConsumerOptions {
  log: EventLog;
  store: EventStore;
  processor: Pick<Processor, 'process'>;
  topic: string;
  group: string;
  logger: Logger;
  metrics: Pick<Metrics, 'dataGaps' | 'logRewinds' | 'readingRestarts' | 'watchdogRestarts'>;
  clock: Clock;
  /** How long a partition may have records to read without moving. */
  stalledAfterMs: number;
}

/** This consumer's progress in an assigned partition. */
interface Position extends IdlePosition {
  landmarks: readonly Landmark[];
  keptDays: KeptDays;
}

/** `recovering`: log or store could not be used; tried again for ever, with growing pauses. */
export type ConsumerState = 'starting' | 'consuming' | 'recovering' | 'stopped';

/** Reads the topic as a member of the group, retrying until stopped. */
export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #stopping = new AbortController();
  readonly #positions = new Map<number, Position>();
  readonly #watchdog: Watchdog;
  /** Batches in progress, one per partition, so that each partition is stored in order. */
  readonly #inFlight = new Map<number, Promise<void>>();
  /** Transactions in progress. */
  readonly #transactions = new Set<Promise<unknown>>();
  #reading = new AbortController();
  /** Aborts reading from the current positions, which are then claimed again. */
  #restart = new AbortController();
  readonly #retrier: Retrier;
  /** For partitions whose start cannot be decided from the log yet. */
  readonly #undecided: Retrier;
  readonly #starts: AssignedStarts;
  #state: Exclude<ConsumerState, 'recovering'> = 'starting';
  #throttledUntil = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    const { logger, clock, stalledAfterMs } = options;
    const stopping = this.#stopping.signal;
    this.#retrier = new Retrier({ logger, clock, stopping });
    this.#undecided = new Retrier({ logger, clock, stopping });
    this.#starts = new AssignedStarts({ ...options, retrier: this.#retrier, undecided: this.#undecided });
    this.#watchdog = new Watchdog({
      clock,
      stalledAfterMs,
      moved: (partitions) => this.#restartReading(partitions, 'they are not where this instance left them'),
      stalled: (partitions) => this.#subscribeAgain(partitions),
    });
  }

  /** Partitions that have records but do not move; they are being reread from the store's positions. */
  get stalled(): readonly number[] {
    return this.#watchdog.stalledPartitions;
  }

  /** Why it is recovering, if it is. */
  get reason(): string | undefined {
    const reasons = [this.#retrier.reason, this.#undecided.reason].filter((reason) => reason !== undefined);
    return reasons.length === 0 ? undefined : reasons.join('; ');
  }

  /** Whether the log delivers nothing for now, since a quota is used up. */
  get isThrottled(): boolean {
    return this.#options.clock.now() < this.#throttledUntil;
  }

  /** Its progress in the partitions where nothing is being stored. */
  get idle(): IdlePositions {
    return new Map([...this.#positions].filter(([partition]) => !this.#inFlight.has(partition)));
  }

  /** Receives the results of each progress poll. */
  polled(poll: Poll<IdlePositions>): void {
    if (this.#stopping.signal.aborted) return;
    this.#watchdog.look(poll, this.idle, this.#inFlight.size > 0 || this.isThrottled);
  }

  get state(): ConsumerState {
    const hasFailures = this.#retrier.hasFailures || this.#undecided.hasFailures;
    return hasFailures && this.#state !== 'stopped' ? 'recovering' : this.#state;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Finishes the batches in progress, leaves the group and resolves. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#drain();
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
        const reading = log.subscribe({
          topic,
          group,
          signal,
          onAssigned: (given) => this.#onAssigned(given),
          onThrottled: (ms) => {
            // Each broker has a quota of its own.
            this.#throttledUntil = Math.max(this.#throttledUntil, this.#options.clock.now() + ms);
          },
        });
        for await (const read of reading) {
          // If we die here: none of these batches is stored, and whoever claims the partitions next reads them again.
          await this.#dispatch(read);
        }
      } catch (error) {
        await this.#retrier.backOff(CANNOT_READ, error as Error);
      }
      await this.#drain();
      // Until the group assigns partitions again nothing is delivered, and that does not mean that reading has stalled.
      this.#positions.clear();
    }
  }

  /** Starts each batch as soon as the previous one of its partition is done and there is capacity. */
  async #dispatch(read: readonly LogBatch[]): Promise<void> {
    for (const batches of groupForTransactions(read)) {
      await Promise.all(batches.map(({ partition }) => this.#inFlight.get(partition)));
      while (this.#transactions.size >= MAX_TRANSACTIONS) await Promise.race(this.#transactions);
      // Leave the group only after the work in progress is done.
      if (this.#stopping.signal.aborted) return this.#drain();
      const attempt = this.#tryStore(batches);
      for (const batch of batches) {
        const work = this.#ensureStored(batch, attempt).finally(() => this.#inFlight.delete(batch.partition));
        this.#inFlight.set(batch.partition, work);
      }
    }
  }

  /** @returns why they cannot be stored, if they cannot */
  #tryStore(batches: readonly LogBatch[]): Promise<Error | undefined> {
    const attempt = this.#store(batches)
      .then(() => undefined)
      .catch((error: Error) => error)
      .finally(() => this.#transactions.delete(attempt));
    this.#transactions.add(attempt);
    return attempt;
  }

  /** Resolves when nothing is in progress. */
  async #drain(): Promise<void> {
    await Promise.all(this.#inFlight.values());
  }

  /** Claims the assigned partitions, retrying as long as needed, and decides where to start. */
  async #onAssigned(assigned: readonly AssignedPartition[]): Promise<ReadingStart> {
    // Batches in progress first: they may still move the positions we are about to read.
    await this.#drain();
    this.#positions.clear();
    this.#restart = new AbortController();
    const positions = new Map<number, StartPosition>();
    const gaps: LogBatch[] = [];
    for (const { described, claim, start } of await this.#starts.decide(assigned, this.#restart)) {
      const { partition, topicId } = described;
      const { epoch, offset: stored, rewound, keptDays } = claim;
      const { offset, leaderEpoch, landmarks, finding } = start;
      const held = { topicId, epoch, stored, rewound, keptDays };
      this.#positions.set(partition, { ...held, next: offset, landmarks });
      positions.set(partition, { offset, leaderEpoch });
      if (finding?.kind === 'data-gap') gaps.push(batchPast(described, finding, this.#restart.signal));
    }
    // If nothing follows a gap, no later batch moves the position past it, and its offsets would count as backlog.
    await this.#dispatch(gaps);
    this.#retrier.recordSuccess(CANNOT_READ);
    this.#state = 'consuming';
    return { positions, restart: this.#restart.signal };
  }

  /** Rereads from the store's positions without leaving the group. */
  #restartReading(partitions: readonly number[], why: string): void {
    if (this.#restart.signal.aborted) return;
    this.#options.metrics.readingRestarts.inc();
    this.#options.logger.warn(
      { topic: this.#options.topic, partitions },
      `[Consumer] Reading again from the positions in the store: ${why}`,
    );
    this.#restart.abort();
  }

  #subscribeAgain(partitions: readonly number[]): void {
    this.#options.metrics.watchdogRestarts.inc();
    this.#options.logger.error(
      { topic: this.#options.topic, partitions },
      '[Consumer] No records are delivered although there are some: joining the group again',
    );
    this.#reading.abort();
  }

  /** In one transaction, stores those batches that are still ours and not stored yet; then commits them to the log. */
  async #store(batches: readonly LogBatch[]): Promise<void> {
    const claimed = batches.flatMap((batch) => this.#withClaim(batch) ?? []);
    if (claimed.length === 0) return;
    try {
      await this.#options.processor.process(claimed);
    } catch (error) {
      // Another member claimed a partition, or the store went back. Processing each batch alone shows which.
      const [batch] = batches;
      if (error instanceof FencedError && batches.length === 1 && batch!.isAssigned()) {
        this.#restartReading([batch!.partition], 'this batch no longer continues from there');
      }
      throw error;
    }
    for (const { batch, fromRewound, rewound, landmarks } of claimed) {
      const position = this.#positions.get(batch.partition)!;
      this.#positions.set(batch.partition, {
        ...position,
        stored: batch.nextOffset,
        rewound: fromRewound + rewound,
        next: batch.nextOffset,
        landmarks,
      });
      batch.commit();
    }
  }

  /** @returns nothing if the batch is not ours to store, or does not continue what is stored */
  #withClaim(batch: LogBatch): ClaimedBatch | undefined {
    const { partition, nextOffset, fetchedFrom, topicId } = batch;
    const position = this.#positions.get(partition);
    if (position === undefined || !batch.isAssigned() || isStored(position, nextOffset)) return undefined;
    if (fetchedFrom > position.next || topicId !== position.topicId) {
      this.#restartReading([partition], 'a batch does not continue from there');
      return undefined;
    }
    const { epoch, keptDays, stored: fromOffset, rewound: fromRewound, next: firstOffset } = position;
    const rewound = Math.max(0, (fromOffset ?? firstOffset) - firstOffset);
    const records = batch.records.filter(({ offset }) => offset >= firstOffset);
    const landmarks = landmarksBehind(position.landmarks, { ...batch, records });
    return {
      batch: { ...batch, records },
      epoch,
      keptDays,
      fromOffset,
      fromRewound,
      rewound,
      firstOffset,
      landmarks,
    };
  }

  /** After a failed attempt it is not known which batch caused it, so each is retried alone. */
  async #ensureStored(batch: LogBatch, attempt: Promise<Error | undefined>): Promise<void> {
    const what = `partition ${batch.partition} cannot be stored`;
    const error = await attempt;
    if (error === undefined) return;
    await this.#retrier.backOff(what, error);
    await this.#retrier.retryForever(what, () => this.#store([batch]));
  }
}

/** Whether the position is at or beyond this offset. A position that only skipped a gap is not in the store yet. */
function isStored({ stored, next }: Position, offset: number): boolean {
  return next > offset || (next === offset && (stored === null || stored >= offset));
}
