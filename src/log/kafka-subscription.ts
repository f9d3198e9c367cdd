import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { withDeadline } from '../deadline.ts';
import type { Logger } from '../logger.ts';
import type { AssignedPartition, LogBatch, SubscribeOptions } from './event-log.ts';
import { type Consumer, type FetchResponse, fetchFrom, hasKafkaError, readBounds } from './kafka-client.ts';
import { GroupMember } from './kafka-group-member.ts';
import { toRecords } from './kafka-records.ts';

/** How long the broker holds a fetch that finds nothing; also how long a new assignment waits for the old one's. */
const FETCH_MAX_WAIT_MS = 500;
const CLOSE_DEADLINE_MS = 3000;
const CLOSE_RETRY_MS = 1000;

interface FetchDone {
  node: number;
  response?: FetchResponse;
  error?: Error;
}

/**
 * Reads a topic as a group member. The client keeps the membership (join, heartbeats, assignment) and speaks the
 * protocol; what is fetched from where is decided here, because reading starts at the store's positions and not
 * at Kafka's committed offsets, in each rebalance anew. The consumer is closed when the generator ends.
 */
export async function* readGroup(
  consumer: Consumer,
  options: SubscribeOptions,
  logger: Logger,
): AsyncGenerator<LogBatch[]> {
  const { topic, signal } = options;
  consumer.topics.track(topic);
  const member = new GroupMember(consumer, topic, logger);
  try {
    await member.join(signal);
    while (!signal.aborted) {
      const assignment = await member.nextAssignment(signal);
      if (assignment === undefined) break;
      const assigned = await describePartitions(consumer, topic, assignment.partitions);
      const starts = await options.startAt(assigned);
      const positions = new Map(
        assignment.partitions.map((partition) => [partition, starts.get(partition) ?? 0]),
      );
      yield* readAssignment(consumer, member, assignment.signal, { topic, positions, signal });
    }
  } finally {
    await member.end(CLOSE_DEADLINE_MS);
    // A broker that does not answer must not hold up a stop; leaving goes on on the side.
    await withDeadline(leave(consumer), CLOSE_DEADLINE_MS, 'leaving the group').catch((error) => {
      logger.debug({ err: error }, 'the group is not left yet');
    });
  }
}

/**
 * Leaves the group and closes, however long it takes. The membership is ended first: closing alone lets a join that
 * is under way succeed, and the client would then keep alive a member, with partitions, that nobody reads for.
 */
async function leave(consumer: Consumer): Promise<void> {
  try {
    await consumer.leaveGroup(true);
  } catch {
    // Not answered: without heartbeats the session runs out, and closing tries once more.
  }
  for (;;) {
    try {
      return await consumer.close(true);
    } catch {
      await sleep(CLOSE_RETRY_MS, undefined, { ref: false });
    }
  }
}

async function describePartitions(
  consumer: Consumer,
  topic: string,
  partitions: number[],
): Promise<AssignedPartition[]> {
  if (partitions.length === 0) return [];
  const [metadata, bounds] = await Promise.all([
    consumer.metadata({ topics: [topic] }),
    readBounds(consumer, topic, partitions),
  ]);
  const topicId = metadata.topics.get(topic)!.id;
  return partitions.map((partition, at) => ({
    ...{ topic, topicId, partition },
    ...bounds[at]!,
    reaches: (offset) => reaches(consumer, topic, partition, offset),
  }));
}

/**
 * After a restart a leader takes its high watermark from a checkpoint that is seconds old, and gives that as the end of
 * the log. What it refuses to read from is truly not there.
 */
async function reaches(
  consumer: Consumer,
  topic: string,
  partition: number,
  offset: number,
): Promise<boolean> {
  const metadata = (await consumer.metadata({ topics: [topic] })).topics.get(topic)!;
  try {
    const position = new Map([[partition, offset]]);
    await fetchFrom(consumer, metadata.partitions[partition]!.leader, metadata.id, position, 0);
    return true;
  } catch (error) {
    if (hasKafkaError(error, 'OFFSET_OUT_OF_RANGE')) return false;
    throw error;
  }
}

interface Reading {
  topic: string;
  /** Next offset of each assigned partition; moves as batches are handed out. */
  positions: Map<number, number>;
  signal: AbortSignal;
}

/** Batches of one assignment, until it is superseded. One fetch is in flight per broker, also while a batch is processed. */
async function* readAssignment(
  consumer: Consumer,
  member: GroupMember,
  assigned: AbortSignal,
  reading: Reading,
): AsyncGenerator<LogBatch[]> {
  const fetches = new Map<number, Promise<FetchDone>>();
  const ended = AbortSignal.any([assigned, reading.signal]);
  try {
    while (!ended.aborted) {
      await startFetches(consumer, reading, fetches);
      const done = await firstDone(fetches, ended);
      if (done === undefined) break;
      fetches.delete(done.node);
      if (done.error) throw done.error;
      const batches = toBatches(done.response!, reading, member, ended);
      // The broker gathers the next records while these are processed.
      await startFetches(consumer, reading, fetches);
      if (batches.length > 0 && !ended.aborted) yield batches;
    }
  } finally {
    // The client allows one fetch per broker at a time, so the next assignment must not start beside these.
    if (!reading.signal.aborted) await Promise.all(fetches.values());
  }
}

async function startFetches(
  consumer: Consumer,
  { topic, positions }: Reading,
  fetches: Map<number, Promise<FetchDone>>,
): Promise<void> {
  if (positions.size === 0) return;
  const metadata = (await consumer.metadata({ topics: [topic] })).topics.get(topic)!;
  const byLeader = Map.groupBy(positions.keys(), (partition) => metadata.partitions[partition]!.leader);
  for (const [node, partitions] of byLeader) {
    if (fetches.has(node)) continue;
    const wanted = new Map(partitions.map((partition) => [partition, positions.get(partition)!]));
    const request = fetchFrom(consumer, node, metadata.id, wanted, FETCH_MAX_WAIT_MS);
    fetches.set(
      node,
      request.then(
        (response) => ({ node, response }),
        (error: Error) => ({ node, error }),
      ),
    );
  }
}

/** The first fetch to end; nothing when the assignment ended before. With nothing assigned: waits for that. */
async function firstDone(
  fetches: Map<number, Promise<FetchDone>>,
  ended: AbortSignal,
): Promise<FetchDone | undefined> {
  if (ended.aborted) return undefined;
  const waiting = new AbortController();
  const end = once(ended, 'abort', { signal: waiting.signal }).then(
    () => undefined,
    () => undefined,
  );
  try {
    return await Promise.race([...fetches.values(), end]);
  } finally {
    waiting.abort();
  }
}

/** Also moves the positions: the next fetch continues behind what is returned here. */
function toBatches(
  response: FetchResponse,
  { topic, positions }: Reading,
  member: GroupMember,
  ended: AbortSignal,
): LogBatch[] {
  const batches: LogBatch[] = [];
  for (const { topicId, partitions } of response.responses) {
    for (const fetched of partitions) {
      const { partitionIndex: partition, highWatermark } = fetched;
      const position = positions.get(partition);
      const last = fetched.records?.at(-1);
      if (position === undefined || last === undefined) continue;
      const nextOffset = Number(last.firstOffset) + last.lastOffsetDelta + 1;
      if (nextOffset <= position) continue;
      positions.set(partition, nextOffset);
      batches.push({
        topic,
        topicId,
        partition,
        records: toRecords(fetched, position),
        nextOffset,
        endOffset: Number(highWatermark),
        isAssigned: () => !ended.aborted,
        commit: () => member.commit(partition, nextOffset, last.partitionLeaderEpoch),
      });
    }
  }
  return batches;
}
