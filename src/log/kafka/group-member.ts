import { once } from 'node:events';
import { withDeadline } from '../../clock.ts';
import type { Logger } from '../../observability/logger.ts';
import type { Consumer, Division } from './consumer.ts';

export interface Assignment {
  partitions: number[];
  /** Aborts when the group rebalances or the membership fails. */
  signal: AbortSignal;
}

/** How soon a partition added to the topic is assigned to a member. */
const PARTITIONS_CHECK_MS = 5000;

/** This process as a member of a consumer group, for one topic: its current assignment and its commits. */
export class GroupMember {
  readonly #consumer: Consumer;
  readonly #topic: string;
  readonly #logger: Logger;
  #assignment: (Assignment & { taken: boolean; end: AbortController }) | undefined;
  readonly #changes = new EventTarget();
  #failure: Error | undefined;
  readonly #commits = new Map<number, { offset: number; leaderEpoch: number }>();
  #committing: Promise<void> | undefined;
  #ended = false;
  /** What this member has assigned while leading the group. */
  #division: Division | undefined;
  readonly #partitionsCheck: NodeJS.Timeout;

  constructor({ consumer, topic, logger }: { consumer: Consumer; topic: string; logger: Logger }) {
    this.#consumer = consumer;
    this.#topic = topic;
    this.#logger = logger;
    consumer.on('consumer:group:join', ({ assignments = [], isLeader = false }) => {
      const partitions = assignments.flatMap((given) => (given.topic === topic ? given.partitions : []));
      const division = consumer.takeDivision() ?? new Map([[topic, partitions.length]]);
      this.#division = isLeader ? division : undefined;
      this.#assign(partitions);
    });
    consumer.on('consumer:heartbeat:stalled', ({ stalledFor }) => {
      this.#fail(new Error(`no heartbeat was answered for ${stalledFor} ms`));
    });
    consumer.on('error', (error: Error) => this.#fail(error));
    this.#partitionsCheck = setInterval(() => this.#divideAgainWhereGrown(), PARTITIONS_CHECK_MS).unref();
  }

  /** Resolves when the group has accepted this member; at once when `signal` aborts. */
  async join(signal: AbortSignal): Promise<void> {
    const joined = this.#consumer.joinGroup();
    // Keeps an abandoned join from being reported later as an unhandled rejection.
    joined.catch(() => {});
    const waiting = new AbortController();
    const aborted = once(signal, 'abort', { signal: waiting.signal }).catch(() => {});
    if (!signal.aborted) await Promise.race([joined, aborted]).finally(() => waiting.abort());
  }

  /**
   * The latest assignment not returned yet, as soon as there is one; nothing if `signal` aborts first.
   *
   * @throws when the membership has failed: create a new member
   */
  async nextAssignment(signal: AbortSignal): Promise<Assignment | undefined> {
    while (!signal.aborted) {
      if (this.#failure) throw this.#failure;
      if (this.#assignment !== undefined && !this.#assignment.taken) {
        this.#assignment.taken = true;
        return this.#assignment;
      }
      await once(this.#changes, 'change', { signal }).catch(() => {});
    }
    return undefined;
  }

  /** Commits in the background, the newest offset of each partition, one request at a time. */
  commit(partition: number, offset: number, leaderEpoch: number): void {
    this.#commits.set(partition, { offset, leaderEpoch });
    this.#committing ??= this.#commitAll().finally(() => {
      this.#committing = undefined;
    });
  }

  /** Waits for commits in flight. They are informational, so failures are not reported. */
  async end(timeoutMs: number): Promise<void> {
    this.#ended = true;
    clearInterval(this.#partitionsCheck);
    await withDeadline(this.#committing ?? Promise.resolve(), timeoutMs, 'commit').catch(() => {});
  }

  async #commitAll(): Promise<void> {
    // During a rebalance the client would answer a rejected commit by joining again: wait for the next batch instead.
    while (this.#commits.size > 0 && this.#consumer.isActive()) {
      const offsets = [...this.#commits].map(([partition, { offset, leaderEpoch }]) => ({
        topic: this.#topic,
        partition,
        offset: BigInt(offset),
        leaderEpoch,
      }));
      this.#commits.clear();
      try {
        await this.#consumer.commit({ offsets });
      } catch (error) {
        this.#logger.debug({ err: error }, 'offsets not committed to Kafka; the store has the positions');
        return;
      }
    }
  }

  /**
   * Classic groups are not told when a topic grows. The leader therefore compares each topic of the group, including
   * those it does not read itself, with what it last assigned, and rejoins to reassign. What another member last saw
   * does not help: the leader may have assigned by older metadata.
   */
  async #divideAgainWhereGrown(): Promise<void> {
    if (this.#ended || this.#division === undefined || !this.#consumer.isActive()) return;
    for (const [topic, divided] of this.#division) {
      try {
        const count = await this.#countPartitions(topic);
        if (count === divided) continue;
        this.#logger.info({ topic, divided, count }, 'the topic has other partitions than were given out');
        await this.#consumer.joinGroup();
        return;
      } catch (error) {
        this.#logger.debug({ err: error, topic }, 'partitions not checked');
      }
    }
  }

  async #countPartitions(topic: string): Promise<number> {
    return (await this.#consumer.describeTopic(topic)).partitionsCount;
  }

  #assign(partitions: number[]): void {
    // A join that was in progress when this member ended.
    if (this.#ended) return;
    this.#assignment?.end.abort();
    this.#commits.clear();
    const end = new AbortController();
    this.#assignment = { partitions, signal: end.signal, end, taken: false };
    this.#logger.info({ topic: this.#topic, partitions }, 'partitions assigned');
    this.#changes.dispatchEvent(new Event('change'));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#assignment?.end.abort();
    this.#changes.dispatchEvent(new Event('change'));
  }
}
