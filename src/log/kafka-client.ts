import {
  Admin,
  type BaseOptions,
  Consumer,
  findErrorBy,
  ListOffsetTimestamps,
  ProduceAcks,
  Producer,
} from '@platformatic/kafka';

export type { Admin, Consumer, Producer, RecordsBatch } from '@platformatic/kafka';
export { ConfigResourceTypes, findErrorBy, IS_CONTROL, ListOffsetTimestamps } from '@platformatic/kafka';

/** The client does not export the type by name. */
export type FetchResponse = Awaited<ReturnType<Consumer['fetch']>>;

export interface KafkaClientOptions {
  /** `host:port` each. */
  brokers: string[];
  /** Shows in the broker's logs, metrics and quotas. */
  clientId: string;
  producerRetries: number;
  producerTimeoutMs: number;
  sessionTimeoutMs: number;
  /** Static membership: a restarted instance of this name takes its partitions back at once. */
  instanceId: string | undefined;
}

const MAX_RETRY_DELAY_MS = 5000;

/** Doubling from 100 ms, with jitter so that instances do not come back in step. */
function retryDelay(_client: object, _operation: string, attempt: number): number {
  return Math.min(MAX_RETRY_DELAY_MS, 100 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}

function baseOptions(options: KafkaClientOptions): BaseOptions {
  return { clientId: options.clientId, bootstrapBrokers: options.brokers, retryDelay, connectTimeout: 3000 };
}

export function createAdmin(options: KafkaClientOptions): Admin {
  return ignoreErrorEvents(new Admin({ ...baseOptions(options), retries: 0, requestTimeout: 10_000 }));
}

export function createProducer(options: KafkaClientOptions): Producer {
  // Each try gets its share of the time, so that the last one has ended when the caller must be answered.
  const tryMs = Math.max(
    100,
    Math.min(10_000, Math.floor(options.producerTimeoutMs / (options.producerRetries + 1))),
  );
  return ignoreErrorEvents(
    new Producer({
      ...baseOptions(options),
      retries: options.producerRetries,
      timeout: Math.floor(tryMs * 0.8),
      requestTimeout: tryMs,
      acks: ProduceAcks.ALL,
      idempotent: true,
    }),
  );
}

export function createConsumer(options: KafkaClientOptions, groupId: string): Consumer {
  const { sessionTimeoutMs, instanceId } = options;
  return new Consumer({
    ...baseOptions(options),
    groupId,
    ...(instanceId === undefined ? {} : { groupInstanceId: instanceId }),
    retries: 3,
    // A join may wait for the slowest member, which has the length of a session to show up.
    requestTimeout: sessionTimeoutMs + 10_000,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: sessionTimeoutMs,
    heartbeatInterval: Math.min(3000, Math.floor(sessionTimeoutMs / 3)),
    heartbeatStallTimeout: sessionTimeoutMs,
    autocommit: false,
  });
}

/** The client reports failures both ways; the ones of a call reach its caller, and an event nobody hears throws. */
function ignoreErrorEvents<T extends Admin | Producer>(client: T): T {
  client.on('error', () => {});
  return client;
}

/** Whether anything in a chain of client errors carries this Kafka error code. */
export function hasKafkaError(error: unknown, apiId: string): boolean {
  return findErrorBy(error as Error, 'apiId', apiId) !== null;
}

/** What a partition holds: its lowest offset, and the one its next record will get. */
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
