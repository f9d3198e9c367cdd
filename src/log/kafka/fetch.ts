import { withDeadline } from '../../clock.ts';
import type { StartPosition } from '../event-log.ts';
import { NO_EPOCH } from '../landmarks.ts';
import { FetchIsolationLevels } from './client.ts';
import { ANSWER_DEADLINE_MS, type Consumer } from './consumer.ts';

/** The client does not export this type by name. */
export type FetchResponse = Awaited<ReturnType<Consumer['fetch']>>;

/** What a fetch returned for one partition. */
export type FetchedPartition = FetchResponse['responses'][number]['partitions'][number];

/** A quota that is used up for longer is said instead of waited for. */
const THROTTLED_DEADLINE_MS = 30_000;
const FETCH_MAX_BYTES = 4 * 1024 * 1024;
const FETCH_MAX_BYTES_PER_PARTITION = 1024 * 1024;

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
  /** Ends the wait for a quota. */
  signal?: AbortSignal;
}

/**
 * Fetches partitions of one leader. The broker reports where its log diverges from the one the epochs belong to. While the
 * quota is used up it answers with nothing, and this waits as long as it said before it asks again: a request that the
 * broker does not read looks like one that it does not answer.
 */
export async function fetchFrom(consumer: Consumer, question: FetchQuestion): Promise<FetchResponse> {
  const { node, topicId, positions, maxWaitMs, maxBytes = FETCH_MAX_BYTES, uncommitted = false } = question;
  const epochs = [...positions.values()].map(({ leaderEpoch = NO_EPOCH }) => leaderEpoch);
  for (;;) {
    await consumer.untilServed(node, question.signal);
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
    const response = await withDeadline(request, ANSWER_DEADLINE_MS, 'fetch');
    consumer.noteThrottle(node, response.throttleTimeMs);
    // After a leader change the client drops the epochs from our request and repeats it, exactly when they matter.
    if (partitions.every(({ lastFetchedEpoch }, at) => lastFetchedEpoch === epochs[at])) return response;
  }
}

/** Of one partition. A broker whose quota is used up answers with nothing, also where it has something, or no such offset. */
async function fetchOne(
  consumer: Consumer,
  question: FetchQuestion,
): Promise<FetchedPartition | 'not served' | undefined> {
  const { responses, throttleTimeMs } = await fetchFrom(consumer, question);
  const fetched = responses.flatMap(({ partitions }) => partitions)[0];
  return throttleTimeMs > 0 && !fetched?.records?.length ? 'not served' : fetched;
}

/** Fetches a partition, however long a quota makes it wait. */
export async function fetchPatiently(
  consumer: Consumer,
  question: FetchQuestion,
  mayWait: (throttledMs: number) => void = () => {},
): Promise<FetchedPartition | undefined> {
  for (;;) {
    mayWait(consumer.throttledMs(question.node));
    const fetched = await fetchOne(consumer, question);
    if (fetched !== 'not served') return fetched;
  }
}

/** As `fetchPatiently`, for an answer that somebody waits for. @throws Error where a quota would make it wait for too long */
export function fetchSoon(
  consumer: Consumer,
  question: FetchQuestion,
): Promise<FetchedPartition | undefined> {
  const giveUpAt = performance.now() + THROTTLED_DEADLINE_MS;
  return fetchPatiently(consumer, question, (throttledMs) => {
    if (performance.now() + throttledMs > giveUpAt)
      throw new Error('Kafka gives this client no more for now: its quota (consumer_byte_rate) is used up');
  });
}

/** Fetches a partition if the quota lets it, and leaves what there is of the quota to others if not. */
export async function fetchIfServed(
  consumer: Consumer,
  question: FetchQuestion,
): Promise<FetchedPartition | 'not served' | undefined> {
  return consumer.throttledMs(question.node) > 0 ? 'not served' : fetchOne(consumer, question);
}
