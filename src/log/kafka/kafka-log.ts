import { withDeadline } from '../../clock.ts';
import { describeCause } from '../../describe-cause.ts';
import type { Logger } from '../../observability/logger.ts';
import { AppendBatcher, type SizedRecord } from '../append-batcher.ts';
import {
  AppendError,
  type AppendResult,
  type EventLog,
  type FoundTime,
  type GroupMember,
  type LogBatch,
  type LogRecord,
  type NewRecord,
  type Receipt,
  type RecordPosition,
  type ScannedRecords,
  type SubscribeOptions,
  type TopicEnds,
  type TopicStarts,
} from '../event-log.ts';
import type { Examination } from '../examination.ts';
import { type Admin, createAdmin, createProducer, type KafkaClientOptions, type Producer } from './client.ts';
import { Consumer } from './consumer.ts';
import { explainFailure, nameGroup } from './failure.ts';
import { describeCluster, membersOf } from './inspection.ts';
import { sendGroup, sizeRecord } from './producer.ts';
import { KafkaReader } from './reader.ts';
import { readGroup } from './subscription.ts';
import { isUnknownTopic, KafkaTopics, type TopicsOptions } from './topics.ts';

export interface KafkaLogOptions extends KafkaClientOptions, TopicsOptions {
  logger: Logger;
}

/** Below the broker's default `message.max.bytes` (1 048 588) even if a whole group goes to one partition. */
const MAX_GROUP_BYTES = 1_000_000;
/** How long cached leaders of a topic are used for grouping; the client itself follows each change. */
const LEADERS_TTL_MS = 5000;

interface TopicLeaders {
  /** Node id of the leader of each partition. */
  leaders: number[];
  readAt: number;
}

/** The event log on Apache Kafka: `acks=all`, idempotent producer, one produce request in flight per broker. */
export class KafkaLog implements EventLog {
  readonly #options: KafkaLogOptions;
  readonly #logger: Logger;
  readonly #admin: Admin;
  readonly #topics: KafkaTopics;
  #producer: Producer;
  /** Replaced producers that are still sending what they were given. */
  readonly #retired = new Set<Producer>();
  readonly #batchers = new Map<number, AppendBatcher>();
  readonly #leaders = new Map<string, TopicLeaders>();
  readonly #topicIds = new Map<string, string>();
  readonly #lookups = new Map<string, Promise<TopicLeaders>>();
  #reader: KafkaReader | undefined;
  #closing: Promise<void> | undefined;

  /** Connects on first use, so that the service can start while Kafka is down. */
  constructor(options: KafkaLogOptions) {
    this.#options = options;
    this.#logger = options.logger;
    this.#admin = createAdmin(options);
    this.#topics = new KafkaTopics({ ...options, admin: this.#admin });
    this.#producer = this.#openProducer();
  }

  async append(records: readonly NewRecord[]): Promise<AppendResult[]> {
    const sized: SizedRecord[] = [];
    const leaderOf: number[] = [];
    for (const record of records) {
      const known = this.#knownLeaders(record.topic) ?? (await this.#awaitLeaders(record.topic));
      if (known instanceof AppendError) return records.map(() => known);
      const { leaders } = known;
      const own = sizeRecord(record, leaders.length);
      sized.push(own);
      leaderOf.push(leaders[own.partition]!);
    }
    // Nearly always: one record, or one broker.
    if (leaderOf.every((leader) => leader === leaderOf[0]))
      return this.#batcherOf(leaderOf[0] ?? 0).add(sized);
    return this.#appendByLeader(sized, leaderOf);
  }

  async *subscribe(options: SubscribeOptions): AsyncGenerator<LogBatch[]> {
    try {
      await this.#topics.ensure();
      yield* readGroup(new Consumer(this.#options, options.group, true), options, this.#logger);
    } catch (error) {
      throw this.#explained(nameGroup(error, options.group));
    }
  }

  async read(topic: string, positions: readonly RecordPosition[]): Promise<(LogRecord | undefined)[]> {
    try {
      return await this.#noticing(async () => (await this.#openReader()).read(topic, positions));
    } catch (error) {
      if (!isUnknownTopic(error) || (await this.#topics.exists(topic))) throw error;
      return positions.map(() => undefined);
    }
  }

  async members(topic: string, group: string): Promise<GroupMember[]> {
    return this.#noticing(() => membersOf(this.#admin, topic, group));
  }

  async ends(topic: string): Promise<TopicEnds> {
    return this.#noticing(async () => (await this.#openReader()).ends(topic));
  }

  async starts(topic: string): Promise<TopicStarts> {
    return this.#noticing(async () => (await this.#openReader()).starts(topic));
  }

  async *scan(topic: string): AsyncGenerator<ScannedRecords> {
    try {
      yield* (await this.#openReader()).scan(topic);
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async timestamps(topic: string, positions: readonly RecordPosition[]): Promise<(FoundTime | undefined)[]> {
    return this.#noticing(async () => (await this.#openReader()).timestamps(topic, positions));
  }

  async ping(timeoutMs: number): Promise<void> {
    const checked = this.#noticing(() => this.#topics.check());
    await this.#answering(checked, timeoutMs);
  }

  /** As `ping`, without creating topics. @returns what it found, for people */
  inspect(group: string, timeoutMs: number): Promise<string> {
    const topic = this.#options.topics[0]!.name;
    const members = () => this.members(topic, group);
    return this.#answering(describeCluster(this.#topics, { topic, group, members }), timeoutMs);
  }

  /** What may do harm, and what a maintainer asks for. Creates nothing. */
  examine(timeoutMs: number): Promise<Examination> {
    return this.#answering(this.#topics.examine(), timeoutMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #openReader(): Promise<KafkaReader> {
    await this.#topics.ensure();
    this.#reader ??= new KafkaReader(new Consumer(this.#options, 'footfall-reader', false));
    return this.#reader;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#batchers.values()].map((batcher) => batcher.idle()));
    const clients = [this.#producer, ...this.#retired, this.#admin, this.#reader];
    await Promise.allSettled(clients.map((client) => client?.close()));
  }

  /** @throws Error whose message is for people */
  async #answering<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
    const connections = this.#options.security?.context;
    try {
      const answer = await withDeadline(work, timeoutMs, 'Kafka');
      if (connections) connections.worked = true;
      return answer;
    } catch (error) {
      const explained = explainFailure(error, connections);
      throw new Error(describeCause(explained), { cause: explained });
    }
  }

  /** Does the work. If a topic turns out to be missing, the next use creates it. */
  async #noticing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#explained(error);
    }
  }

  #explained(error: unknown): unknown {
    this.#notice(error);
    return explainFailure(error, this.#options.security?.context);
  }

  #notice(error: unknown): void {
    if (!isUnknownTopic(error)) return;
    this.#topics.forget();
    this.#leaders.clear();
  }

  async #appendByLeader(
    records: readonly SizedRecord[],
    leaderOf: readonly number[],
  ): Promise<AppendResult[]> {
    const results: AppendResult[] = new Array(records.length);
    const byLeader = Map.groupBy(records.keys(), (index) => leaderOf[index]!);
    await Promise.all(
      [...byLeader].map(async ([leader, indexes]) => {
        const written = await this.#batcherOf(leader).add(indexes.map((index) => records[index]!));
        for (const [at, index] of indexes.entries()) results[index] = written[at]!;
      }),
    );
    return results;
  }

  #batcherOf(leader: number): AppendBatcher {
    const known = this.#batchers.get(leader);
    if (known !== undefined) return known;
    const batcher = new AppendBatcher({
      write: (records) => this.#send(records),
      maxGroupBytes: MAX_GROUP_BYTES,
      timeoutMs: this.#options.producerTimeoutMs,
    });
    this.#batchers.set(leader, batcher);
    return batcher;
  }

  async #send(records: readonly SizedRecord[]): Promise<(Receipt | Error)[]> {
    const results = await sendGroup(this.#producer, records);
    for (const result of results) {
      if (!(result instanceof Error)) continue;
      // Whatever the cause, the leaders may have changed.
      this.#leaders.clear();
      this.#notice(result);
    }
    return results;
  }

  #knownLeaders(topic: string): TopicLeaders | undefined {
    const known = this.#leaders.get(topic);
    // Refreshed in the background: only the very first append waits. A failure surfaces at the next send.
    if (known !== undefined && performance.now() - known.readAt > LEADERS_TTL_MS)
      this.#lookUpLeaders(topic).catch(() => {});
    return known;
  }

  async #awaitLeaders(topic: string): Promise<TopicLeaders | AppendError> {
    try {
      return await withDeadline(this.#lookUpLeaders(topic), this.#options.producerTimeoutMs, 'Kafka');
    } catch (cause) {
      return new AppendError('unconfirmed', `The leaders of topic ${topic} are not known`, cause);
    }
  }

  #lookUpLeaders(topic: string): Promise<TopicLeaders> {
    const running = this.#lookups.get(topic);
    if (running !== undefined) return running;
    const lookup = this.#noticing(() => this.#readLeaders(topic)).finally(() => this.#lookups.delete(topic));
    this.#lookups.set(topic, lookup);
    return lookup;
  }

  async #readLeaders(topic: string): Promise<TopicLeaders> {
    await this.#topics.ensure();
    const metadata = await this.#producer.metadata({ topics: [topic], forceUpdate: true });
    const found = metadata.topics.get(topic)!;
    if ((this.#topicIds.get(topic) ?? found.id) !== found.id) this.#renewProducer();
    this.#topicIds.set(topic, found.id);
    const count = this.#producer.countPartitions(found);
    const leaders = found.partitions.slice(0, count).map(({ leader }) => leader);
    const known = { leaders, readAt: performance.now() };
    this.#leaders.set(topic, known);
    return known;
  }

  #openProducer(before?: Producer): Producer {
    const producer = createProducer(this.#options, before);
    // The address may now belong to another cluster: check the topics before sending more.
    producer.on('client:broker:disconnect', () => this.#leaders.clear());
    return producer;
  }

  /**
   * For a topic that was replaced. If the whole cluster was replaced, the new one hands out producer ids from the
   * start, and our old id becomes another producer's. Of two records with the same id and sequence number, Kafka keeps
   * one and acknowledges both.
   */
  #renewProducer(): void {
    const old = this.#producer;
    this.#producer = this.#openProducer(old);
    this.#retired.add(old);
    const close = () => old.close().finally(() => this.#retired.delete(old));
    setTimeout(() => close().catch(() => {}), this.#options.producerTimeoutMs).unref();
  }
}
