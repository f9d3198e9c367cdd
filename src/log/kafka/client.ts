import {
  Admin,
  type BaseOptions,
  type CallbackWithPromise,
  Producer as ClientProducer,
  type ClusterMetadata,
  type ClusterTopicMetadata,
  findErrorBy,
  kMetadata,
  type MetadataOptions,
  ProduceAcks,
} from '@platformatic/kafka';
import { backOffMs, systemClock } from '../../clock.ts';
import type { ClientSecurity } from './security.ts';

export type {
  CallbackWithPromise,
  ClusterMetadata,
  ClusterTopicMetadata,
  MetadataOptions,
  RecordsBatch,
} from '@platformatic/kafka';
export {
  AclOperations,
  Admin,
  ConfigResourceTypes,
  Consumer as ClientConsumer,
  connectionsConnectsChannel,
  FetchIsolationLevels,
  findErrorBy,
  IS_CONTROL,
  IS_TRANSACTIONAL,
  kMetadata,
  ListOffsetTimestamps,
  metadataV8,
} from '@platformatic/kafka';

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
  /** Not set: neither TLS nor a login. */
  security?: ClientSecurity;
}

const FIRST_RETRY_DELAY_MS = 100;

function retryDelay(_client: object, _operation: string, attempt: number): number {
  return backOffMs(FIRST_RETRY_DELAY_MS, attempt - 1, systemClock);
}

export function baseOptions(options: KafkaClientOptions): BaseOptions {
  return {
    clientId: options.clientId,
    bootstrapBrokers: fromAnyOn(options.brokers),
    retryDelay,
    connectTimeout: 3000,
    ...options.security,
  };
}

/**
 * A client asks the first broker that takes its connection, and a frozen one takes it and does not answer. The client that
 * replaces this one should ask another.
 */
function fromAnyOn(brokers: readonly string[]): string[] {
  const first = Math.floor(Math.random() * brokers.length);
  return [...brokers.slice(first), ...brokers.slice(0, first)];
}

export function createAdmin(options: KafkaClientOptions): Admin {
  return ignoreErrorEvents(new Admin({ ...baseOptions(options), retries: 0, requestTimeout: 10_000 }));
}

export type AskMetadata = (options: MetadataOptions, callback: CallbackWithPromise<ClusterMetadata>) => void;

/**
 * The client's metadata cache. Its age is measured by the wall clock: after that is set back, stale entries look fresh
 * for as long, so they are requested again.
 */
export function freshMetadata(
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
