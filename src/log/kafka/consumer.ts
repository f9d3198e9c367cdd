import { setTimeout as sleep } from 'node:timers/promises';
import { withDeadline } from '../../clock.ts';
import { assignToSubscribers } from './assigner.ts';
import {
  type AskMetadata,
  baseOptions,
  type CallbackWithPromise,
  ClientConsumer,
  type ClusterMetadata,
  type ClusterTopicMetadata,
  freshMetadata,
  type KafkaClientOptions,
  kMetadata,
  ListOffsetTimestamps,
  type MetadataOptions,
} from './client.ts';

/** By topic, how many partitions a leader has assigned to its group. */
export type Division = ReadonlyMap<string, number>;

/** A request unanswered for this long has lost its connection, whatever the socket says. */
export const ANSWER_DEADLINE_MS = 10_000;

type OffsetsQuestion = Omit<Parameters<ClientConsumer['listOffsets']>[0], 'topics'> & { topic: string };

/**
 * The client's consumer. It also reports what it assigned to the group while leading it, and says when a broker does not
 * answer: the client itself waits as long as a join may take, for each of its attempts.
 */
export class Consumer extends ClientConsumer {
  readonly #given: { division?: Division | undefined };
  #brokers: ClusterMetadata['brokers'] = new Map();
  /** By address: which of all connections that were opened is the latest to it. */
  readonly #connections = new Map<string, number>();
  #opened = 0;
  /** By node: until when the broker reads no more requests from this client, on the monotonic clock. */
  readonly #throttledUntil = new Map<number, number>();

  /** @param joins whether it becomes a member of the group */
  constructor(options: KafkaClientOptions, groupId: string, joins: boolean) {
    const { sessionTimeoutMs, instanceId } = options;
    const given: { division?: Division | undefined } = {};
    super({
      ...baseOptions(options),
      groupId,
      ...(instanceId === undefined ? {} : { groupInstanceId: instanceId }),
      retries: 3,
      // A join may wait for the slowest member, which has one session timeout to show up. All else has time for two attempts.
      requestTimeout: joins ? sessionTimeoutMs + 10_000 : ANSWER_DEADLINE_MS / 2,
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
    this.on('client:broker:connect', ({ broker: { host, port } }) => {
      this.#connections.set(`${host}:${port}`, ++this.#opened);
    });
  }

  /** How many connections to brokers were opened so far. */
  get opened(): number {
    return this.#opened;
  }

  /**
   * Whether the connection to a broker was opened after so many others. Only behind a new one can there be another log under
   * the same offsets, since no broker is put back to an earlier state while it runs.
   */
  isConnectedSince(opened: number, node: number): boolean {
    const broker = this.#brokers.get(node);
    return broker !== undefined && (this.#connections.get(`${broker.host}:${broker.port}`) ?? 0) > opened;
  }

  /** What was assigned since the last call. Nothing if this member is alone: the client then assigns by itself. */
  takeDivision(): Division | undefined {
    const { division } = this.#given;
    this.#given.division = undefined;
    return division;
  }

  /** A broker whose quota for this client is used up says how long it will not read the next request. */
  noteThrottle(node: number, throttleMs: number): void {
    this.#throttledUntil.set(node, performance.now() + throttleMs);
  }

  /** How much longer the broker will not read requests; 0 if it does. */
  throttledMs(node: number): number {
    return Math.max(0, (this.#throttledUntil.get(node) ?? 0) - performance.now());
  }

  /** Resolves when the broker reads requests again. @throws if `signal` aborts before */
  async untilServed(node: number, signal: AbortSignal | undefined): Promise<void> {
    const leftMs = this.throttledMs(node);
    if (leftMs > 0) await sleep(leftMs, undefined, { signal });
  }

  override [kMetadata](options: MetadataOptions, callback: CallbackWithPromise<ClusterMetadata>): void {
    const ask: AskMetadata = (asked, answered) => super[kMetadata](asked, answered);
    freshMetadata(ask, options, (error, metadata) => {
      if (metadata) this.#brokers = metadata.brokers;
      callback(error, metadata);
    });
  }

  /** @throws where the topic is not known, or no broker answers in time */
  async describeTopic(
    topic: string,
    { forceUpdate = false }: { forceUpdate?: boolean } = {},
  ): Promise<ClusterTopicMetadata> {
    const request = this.metadata({ topics: [topic], forceUpdate });
    return (await withDeadline(request, ANSWER_DEADLINE_MS, 'metadata')).topics.get(topic)!;
  }

  /** By partition. @throws where a broker does not answer in time */
  async offsetsOf({ topic, ...question }: OffsetsQuestion): Promise<bigint[]> {
    const request = this.listOffsets({ ...question, topics: [topic] });
    return (await withDeadline(request, ANSWER_DEADLINE_MS, 'list offsets')).get(topic)!;
  }
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
  const wanted = { topic, partitions: { [topic]: [...partitions] } };
  const [earliest, end] = await Promise.all([
    consumer.offsetsOf({ ...wanted, timestamp: ListOffsetTimestamps.EARLIEST }),
    consumer.offsetsOf({ ...wanted, timestamp: ListOffsetTimestamps.LATEST }),
  ]);
  return partitions.map((partition) => ({
    earliest: Number(earliest[partition]),
    end: Number(end[partition]),
  }));
}
