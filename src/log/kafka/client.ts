import {
  Admin,
  type BaseOptions,
  type CallbackWithPromise,
  Consumer as ClientConsumer,
  Producer as ClientProducer,
  type ClusterMetadata,
  type ClusterTopicMetadata,
  FetchIsolationLevels,
  findErrorBy,
  kMetadata,
  ListOffsetTimestamps,
  type MetadataOptions,
  ProduceAcks,
} from '@platformatic/kafka';
import { withDeadline } from '../../clock.ts';
import type { StartPosition } from '../event-log.ts';
import { NO_EPOCH } from '../landmarks.ts';
import { assignToSubscribers } from './assigner.ts';

export type { Admin, ClusterTopicMetadata, RecordsBatch } from '@platformatic/kafka';
export {
  ConfigResourceTypes,
  FetchIsolationLevels,
  findErrorBy,
  IS_CONTROL,
  IS_TRANSACTIONAL,
  ListOffsetTimestamps,
} from '@platformatic/kafka';

/** The client does not export this type by name. */
export type FetchResponse = Awaited<ReturnType<Consumer['fetch']>>;

export interface KafkaClientOptions {
  /** `host:port` each. */
  brokers: string[];
  /** Shows in the broker's logs, metrics and quotas. */
  clientId: string;
  producerRetries: number;
  producerTimeoutMs: number;
  sessionTimeoutMs: number;
  /** Static membership: a restarted instance with this name gets its partitions back at once. */
  instanceId: string | undefined;
}

const MAX_RETRY_DELAY_MS = 5000;

/** Doubles from 100 ms, with jitter so that instances do not retry in step. */
function retryDelay(_client: object, _operation: string, attempt: number): number {
  return Math.min(MAX_RETRY_DELAY_MS, 100 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}

function baseOptions(options: KafkaClientOptions): BaseOptions {
  return { clientId: options.clientId, bootstrapBrokers: options.brokers, retryDelay, connectTimeout: 3000 };
}

export function createAdmin(options: KafkaClientOptions): Admin {
  return ignoreErrorEvents(new Admin({ ...baseOptions(options), retries: 0, requestTimeout: 10_000 }));
}

type AskMetadata = (options: MetadataOptions, callback: CallbackWithPromise<ClusterMetadata>) => void;

/**
 * The client's metadata cache. Its age is measured by the wall clock: after that is set back, stale entries look fresh
 * for as long, so they are requested again.
 */
function freshMetadata(
  ask: AskMetadata,
  options: MetadataOptions,
  callback: CallbackWithPromise<ClusterMetadata>,
): void {
  ask(options, (error, metadata) => {
    const now = Date.now();
    const isOfLater = metadata?.topics.values().some((topic) => topic?.lastUpdate > now) ?? false;
    if (isOfLater && !options.forceUpdate) ask({ ...options, forceUpdate: true }, callback);
    else callback(error, metadata);
  });
}

/** By topic, how many partitions a leader has assigned to its group. */
export type Division = ReadonlyMap<string, number>;

/** The client's consumer, which also reports what it assigned to the group while leading it. */
export class Consumer extends ClientConsumer {
  readonly #given: { division?: Division | undefined };

  constructor(options: KafkaClientOptions, groupId: string) {
    const { sessionTimeoutMs, instanceId } = options;
    const given: { division?: Division | undefined } = {};
    super({
      ...baseOptions(options),
      groupId,
      ...(instanceId === undefined ? {} : { groupInstanceId: instanceId }),
      retries: 3,
      // A join may wait for the slowest member, which has one session timeout to show up.
      requestTimeout: sessionTimeoutMs + 10_000,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.min(3000, Math.floor(sessionTimeoutMs / 3)),
      heartbeatStallTimeout: sessionTimeoutMs,
      partitionAssigner: (self, members, topics, metadata) => {
        given.division = new Map(
          [...metadata.topics].map(([topic, { partitionsCount }]) => [topic, partitionsCount]),
        );
        return assignToSubscribers(self, members, topics, metadata);
      },
      autocommit: false,
    });
    this.#given = given;
  }

  /** What was assigned since the last call. Nothing if this member is alone: the client then assigns by itself. */
  takeDivision(): Division | undefined {
    const { division } = this.#given;
    this.#given.division = undefined;
    return division;
  }

  override [kMetadata](options: MetadataOptions, callback: CallbackWithPromise<ClusterMetadata>): void {
    freshMetadata((asked, answered) => super[kMetadata](asked, answered), options, callback);
  }
}

/**
 * The client's producer, with two bugs fixed. When a topic was recreated with fewer partitions, the client puts records
 * for the missing ones into others, and a retry for one of them throws in a socket callback, which ends the process.
 * Here a missing partition keeps a leader, which answers that it does not know the partition.
 */
export class Producer extends ClientProducer {
  readonly #seen = new Map<string, number>();
  readonly #counts = new WeakMap<ClusterTopicMetadata, number>();

  /** Also keeps what another producer has seen: records partitioned by that one may be sent from here. */
  takeOver(before: Producer): void {
    for (const [topic, count] of before.#seen) this.#seen.set(topic, count);
  }

  /** The topic's actual number of partitions. */
  countPartitions(topic: ClusterTopicMetadata): number {
    return this.#counts.get(topic) ?? topic.partitionsCount;
  }

  override [kMetadata](options: MetadataOptions, callback: CallbackWithPromise<ClusterMetadata>): void {
    const ask: AskMetadata = (asked, answered) => super[kMetadata](asked, answered);
    freshMetadata(ask, options, (error, metadata) => {
      for (const [name, topic] of metadata?.topics ?? []) this.#keepLost(name, topic);
      callback(error, metadata);
    });
  }

  #keepLost(name: string, topic: ClusterTopicMetadata): void {
    if (this.#counts.has(topic) || topic.partitionsCount === 0) return;
    this.#counts.set(topic, topic.partitionsCount);
    const seen = Math.max(this.#seen.get(name) ?? 0, topic.partitionsCount);
    this.#seen.set(name, seen);
    while (topic.partitions.length < seen) topic.partitions.push(topic.partitions[0]!);
    topic.partitionsCount = seen;
  }
}

/** @param before the producer it replaces */
export function createProducer(options: KafkaClientOptions, before?: Producer): Producer {
  // Each attempt gets its share of the time, so that the last one has ended when the caller must be answered.
  const tryMs = Math.max(
    100,
    Math.min(10_000, Math.floor(options.producerTimeoutMs / (options.producerRetries + 1))),
  );
  const producer = new Producer({
    ...baseOptions(options),
    retries: options.producerRetries,
    timeout: Math.floor(tryMs * 0.8),
    requestTimeout: tryMs,
    acks: ProduceAcks.ALL,
    idempotent: true,
  });
  if (before !== undefined) producer.takeOver(before);
  return ignoreErrorEvents(producer);
}

/**
 * The client reports failures both by callback and by event; callers get theirs, and an unhandled event would throw.
 */
function ignoreErrorEvents<T extends Admin | Producer>(client: T): T {
  client.on('error', () => {});
  return client;
}

/** Whether anything in a chain of client errors carries this Kafka error code. */
export function hasKafkaError(error: unknown, apiId: string): boolean {
  return findErrorBy(error as Error, 'apiId', apiId) !== null;
}

/** The bounds of a partition: its lowest offset, and where reading currently ends (the last stable offset). */
export interface PartitionBounds {
  earliest: number;
  end: number;
}

/** @returns the bounds of each partition, in the same order */
export async function readBounds(
  consumer: Consumer,
  topic: string,
  partitions: readonly number[],
): Promise<PartitionBounds[]> {
  const wanted = { topics: [topic], partitions: { [topic]: [...partitions] } };
  const [earliest, end] = await Promise.all([
    consumer.listOffsets({ ...wanted, timestamp: ListOffsetTimestamps.EARLIEST }),
    consumer.listOffsets({ ...wanted, timestamp: ListOffsetTimestamps.LATEST }),
  ]);
  return partitions.map((partition) => ({
    earliest: Number(earliest.get(topic)![partition]),
    end: Number(end.get(topic)![partition]),
  }));
}

const FETCH_MAX_BYTES = 4 * 1024 * 1024;
const FETCH_MAX_BYTES_PER_PARTITION = 1024 * 1024;
/** A request unanswered for this long has lost its connection, whatever the socket says. */
export const FETCH_DEADLINE_MS = 10_000;

export interface FetchQuestion {
  node: number;
  topicId: string;
  /** Next offset of each partition, and the leader epoch of the record before it, if known. */
  positions: ReadonlyMap<number, StartPosition>;
  /** How long the broker may wait for records to arrive. */
  maxWaitMs: number;
  /** The broker returns whole batches, as many as fit and at least one. */
  maxBytes?: number;
  /** Includes records of uncommitted transactions. */
  uncommitted?: boolean;
}

/** Fetches partitions of one leader. The broker reports where its log diverges from the one the epochs belong to. */
export async function fetchFrom(consumer: Consumer, question: FetchQuestion): Promise<FetchResponse> {
  const { node, topicId, positions, maxWaitMs, maxBytes = FETCH_MAX_BYTES, uncommitted = false } = question;
  const epochs = [...positions.values()].map(({ leaderEpoch = NO_EPOCH }) => leaderEpoch);
  for (;;) {
    const partitions = [...positions].map(([partition, { offset }], at) => ({
      partition,
      fetchOffset: BigInt(offset),
      partitionMaxBytes: Math.min(maxBytes, FETCH_MAX_BYTES_PER_PARTITION),
      currentLeaderEpoch: NO_EPOCH,
      lastFetchedEpoch: epochs[at]!,
    }));
    const request = consumer.fetch({
      node,
      minBytes: 1,
      maxBytes,
      maxWaitTime: maxWaitMs,
      topics: [{ topicId, partitions }],
      isolationLevel: uncommitted
        ? FetchIsolationLevels.READ_UNCOMMITTED
        : FetchIsolationLevels.READ_COMMITTED,
    });
    const response = await withDeadline(request, FETCH_DEADLINE_MS, 'fetch');
    // After a leader change the client drops the epochs from our request and repeats it, exactly when they matter.
    if (partitions.every(({ lastFetchedEpoch }, at) => lastFetchedEpoch === epochs[at])) return response;
  }
}
