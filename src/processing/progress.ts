// In: the ends of the log and the positions of the store, every two seconds. Out: how far storing lags behind, and why.
import type { Clock } from '../clock.ts';
import type { EventLog, TopicEnds } from '../log/event-log.ts';
import type { Logger } from '../observability/logger.ts';
import type { Meter } from '../observability/meter.ts';
import type { EventStore, PartitionPosition } from '../store/event-store.ts';
import { accounts } from './ledger.ts';

/** After this a query counts as unanswered, and the previous values stay visible. */
const ANSWER_WITHIN_MS = 5000;
/** A backlog of which nothing has been stored for this long is reported in `/readyz`. */
const PATIENCE_MS = 15_000;
/** Partitions whose oldest waiting record is looked up in one poll. */
const LOOK_UPS = 8;

const QUOTA = ": Kafka's quota for this client (consumer_byte_rate) is used up";

/** How far a partition has been processed. */
export interface PartitionProgress {
  partition: number;
  /** The next offset to process, according to the store. */
  position: number;
  /** As of `PartitionEnd`. */
  end: number;
  stable: number;
  /** Records that are not stored: `end` minus `position`. */
  lag: number;
  /**
   * Timestamp of the oldest waiting record; undefined if there is none or it could not be looked up. While a quota keeps us
   * from looking, that of an older one.
   */
  oldestWaiting: Date | undefined;
  /** Records unreadable because of an open transaction before them; only set once everything else is stored. */
  heldBack: number;
  /** Milliseconds for which records have waited without any being stored. */
  unmovedMs: number;
  /** As of `PartitionTally`. */
  unaccounted: number;
}

/** The results of one poll; undefined if log or store did not answer. */
export interface Poll<Held> {
  /** The caller's state before the poll started. */
  held: Held;
  ends: TopicEnds | undefined;
  positions: readonly PartitionPosition[] | undefined;
}

interface ProgressOptions<Held> {
  log: Pick<EventLog, 'ends' | 'timestamps'>;
  store: Pick<EventStore, 'positions'>;
  topic: string;
  group: string;
  clock: Clock;
  logger: Logger;
  everyMs: number;
  /** Whether a quota holds reading back here. */
  isThrottled(): boolean;
  /** Called before and after each poll. */
  held(): Held;
  polled(poll: Poll<Held>): void;
}

/** Compares log and store for as long as the instance runs, whether or not it consumes. */
export class Progress<Held = undefined> {
  readonly #options: ProgressOptions<Held>;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #ends: TopicEnds | undefined;
  #positions: readonly PartitionPosition[] | undefined;
  #isCurrent = false;
  readonly #unmoved = new Map<number, { position: number; sinceMs: number }>();
  /** In the order in which they were looked up. */
  readonly #oldest = new Map<number, { position: number; timeMs: number | undefined }>();

  constructor(options: ProgressOptions<Held>) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** From the last answers of log and store; empty until both have answered once. */
  get partitions(): PartitionProgress[] {
    if (this.#ends === undefined || this.#positions === undefined) return [];
    const unaccounted = new Map(accounts(this.#positions).map((one) => [one.partition, one.unaccounted]));
    const now = this.#options.clock.now();
    return [...this.#ends.ends].map(([partition, { end, stable }]) => {
      const position = this.#positionOf(partition);
      const since = this.#unmoved.get(partition)?.sinceMs;
      const oldest = this.#oldest.get(partition);
      const oldestMs = oldest?.position === position && end > position ? oldest.timeMs : undefined;
      return {
        partition,
        position,
        end,
        stable,
        lag: Math.max(0, end - position),
        oldestWaiting: oldestMs === undefined ? undefined : new Date(oldestMs),
        heldBack: position >= stable ? Math.max(0, end - Math.max(position, stable)) : 0,
        unmovedMs: since === undefined ? 0 : now - since,
        unaccounted: unaccounted.get(partition) ?? 0,
      };
    });
  }

  /** Whether both answered the last poll, so that `partitions` is current. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** A message for the operator; undefined when storing keeps up. */
  get problem(): string | undefined {
    const { group } = this.#options;
    // Including partitions that only an earlier topic of this name had.
    for (const { partition, unaccounted } of accounts(this.#positions ?? [])) {
      if (unaccounted > 0)
        return `partition ${partition}: the position was moved past ${unaccounted} records that nobody processed: run "npm run verify"`;
    }
    for (const { partition, lag, heldBack, oldestWaiting, unmovedMs } of this.partitions) {
      if (unmovedMs < PATIENCE_MS) continue;
      if (heldBack > 0)
        return `partition ${partition}: ${heldBack} records are held back by an open transaction since ${oldestWaiting?.toISOString() ?? 'an unknown time'}`;
      return `partition ${partition}: ${lag} records wait, and no member of group "${group}" has stored any for ${Math.round(unmovedMs / 1000)} s${this.#options.isThrottled() ? QUOTA : ''}`;
    }
    return undefined;
  }

  async #run(): Promise<void> {
    const { clock, everyMs } = this.#options;
    while (!this.#stopping.signal.aborted) {
      await this.#poll();
      await clock.sleep(everyMs, this.#stopping.signal);
    }
  }

  async #poll(): Promise<void> {
    const { log, store, topic, group } = this.#options;
    const held = this.#options.held();
    const [ends, positions] = await Promise.all([
      this.#ask(() => log.ends(topic)),
      this.#ask(() => store.positions(group, topic)),
    ]);
    if (this.#stopping.signal.aborted) return;
    this.#isCurrent = ends !== undefined && positions !== undefined;
    if (ends !== undefined) this.#ends = ends;
    if (positions !== undefined) this.#positions = positions;
    this.#noteMoves();
    this.#options.polled({ held, ends, positions });
    await this.#lookUpOldest();
  }

  /** @returns nothing if there is no answer in time; the previous one is used until there is */
  async #ask<T>(question: () => Promise<T>): Promise<T | undefined> {
    const { clock, logger } = this.#options;
    const answered = new AbortController();
    const late = clock.sleep(ANSWER_WITHIN_MS, AbortSignal.any([answered.signal, this.#stopping.signal]));
    try {
      return await Promise.race([question(), late.then(() => undefined)]);
    } catch (error) {
      logger.debug({ err: error }, 'progress not known');
      return undefined;
    } finally {
      answered.abort();
    }
  }

  #positionOf(partition: number): number {
    const topicId = this.#ends?.topicId;
    const own = this.#positions?.find((one) => one.partition === partition && one.topicId === topicId);
    return own?.offset ?? 0;
  }

  #noteMoves(): void {
    // The backlog is unknown until the store has answered once.
    if (this.#positions === undefined) return;
    const now = this.#options.clock.now();
    for (const [partition, { end }] of this.#ends?.ends ?? []) {
      const position = this.#positionOf(partition);
      if (position >= end) {
        this.#unmoved.delete(partition);
        this.#oldest.delete(partition);
      } else if (this.#unmoved.get(partition)?.position !== position) {
        this.#unmoved.set(partition, { position, sinceMs: now });
      }
    }
  }

  /** A few in each poll: with a backlog in many partitions they take turns. */
  async #lookUpOldest(): Promise<void> {
    const turns = new Map([...this.#oldest.keys()].map((partition, turn) => [partition, turn]));
    const turnOf = ({ partition }: { partition: number }) => turns.get(partition) ?? -1;
    const waiting = [...(this.#ends?.ends ?? [])]
      .map(([partition, { end }]) => ({ partition, offset: this.#positionOf(partition), end }))
      .filter(
        ({ partition, offset, end }) => offset < end && this.#oldest.get(partition)?.position !== offset,
      )
      .sort((a, b) => turnOf(a) - turnOf(b))
      .slice(0, LOOK_UPS);
    if (waiting.length === 0) return;
    const found = await this.#ask(() => this.#options.log.timestamps(this.#options.topic, waiting));
    for (const [at, { partition, offset }] of waiting.entries()) {
      const time = found?.[at];
      const before = this.#oldest.get(partition)?.timeMs;
      // The last partition to be looked up goes to the back of the queue.
      this.#oldest.delete(partition);
      if (found === undefined) continue;
      this.#oldest.set(partition, { position: offset, timeMs: time === 'not served' ? before : time });
    }
  }
}

/** Exposes the progress at each scrape, also during outages of log or store and in instances that do not consume. */
export function registerProgress(
  meter: Meter,
  progress: { readonly partitions: readonly PartitionProgress[] },
): void {
  const gauge = (name: string, help: string, value: (partition: PartitionProgress) => number) =>
    meter.gauge({
      name,
      help,
      labelNames: ['partition'],
      // Every process queries log and store itself.
      aggregator: 'max',
      collect(values) {
        values.reset();
        for (const partition of progress.partitions) {
          values.set({ partition: partition.partition }, value(partition));
        }
      },
    });
  gauge('consumer_lag_records', 'Records of the partition that are not stored yet.', ({ lag }) => lag);
  gauge('consumer_lag_seconds', 'Age of the oldest record of the partition that is not stored yet.', ageOf);
  gauge(
    'consumer_held_back_records',
    'Records of the partition that wait for an open transaction to end.',
    ({ heldBack }) => heldBack,
  );
}

/** At least as long as we have seen it wait, where the record itself could not be looked up. */
function ageOf({ oldestWaiting, unmovedMs }: PartitionProgress): number {
  if (oldestWaiting === undefined) return unmovedMs / 1000;
  return Math.max(0, (Date.now() - oldestWaiting.getTime()) / 1000);
}
