import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { withDeadline } from '../../clock.ts';
import type { Logger } from '../../observability/logger.ts';
import type { LogBatch, StartPosition, SubscribeOptions } from '../event-log.ts';
import { NO_EPOCH } from '../landmarks.ts';
import { findErrorBy } from './client.ts';
import type { Consumer } from './consumer.ts';
import { describePartitions } from './described-partitions.ts';
import { type FetchResponse, fetchFrom } from './fetch.ts';
import { type Assignment, GroupMember } from './group-member.ts';
import { offsetBehind, toRecords } from './records.ts';

/** How long the broker holds an empty fetch; also how long a new assignment waits for the previous fetches. */
const FETCH_MAX_WAIT_MS = 500;
const CLOSE_DEADLINE_MS = 3000;
const CLOSE_RETRY_MS = 1000;

/** Who reads, with its membership of the group. */
interface Reader {
  consumer: Consumer;
  member: GroupMember;
  logger: Logger;
}

interface FetchDone {
  node: number;
  response?: FetchResponse;
  error?: Error;
}

/**
 * Reads a topic as a group member. The client handles the membership (join, heartbeats, assignment) and the protocol;
 * what to fetch from where is decided here, because after every rebalance reading starts at the store's positions and
 * not at Kafka's committed offsets. The consumer is closed when the generator ends.
 */
export async function* readGroup(
  consumer: Consumer,
  options: SubscribeOptions,
  logger: Logger,
): AsyncGenerator<LogBatch[]> {
  const { topic, signal } = options;
  consumer.topics.track(topic);
  const member = new GroupMember({ consumer, topic, logger });
  try {
    await member.join(signal);
    while (!signal.aborted) {
      const assignment = await member.nextAssignment(signal);
      if (assignment === undefined) break;
      yield* readAssignment({ consumer, member, logger }, assignment, options);
    }
  } finally {
    await member.end(CLOSE_DEADLINE_MS);
    // An unresponsive broker must not delay a stop; leaving continues in the background.
    await withDeadline(leave(consumer), CLOSE_DEADLINE_MS, 'leaving the group').catch((error) => {
      logger.debug({ err: error }, 'has not left the group yet');
    });
  }
}

/**
 * Leaves the group and closes, however long it takes. The membership ends first: closing alone lets a join in progress
 * succeed, and the client would keep alive a member whose partitions nobody reads. And the broker is told as soon as it
 * is reachable: closing alone gives up if it is not, and a restarted broker grants each member it knows a whole
 * session, which the next member would have to wait for.
 */
async function leave(consumer: Consumer): Promise<void> {
  await untilDone(() => endMembership(consumer));
  await untilDone(() => consumer.close(true));
}

/** @throws if asking again may help; if not, the session is left to expire */
async function endMembership(consumer: Consumer): Promise<void> {
  try {
    await consumer.leaveGroup(true);
  } catch (error) {
    if (findErrorBy(error as Error, 'canRetry', false) === null) throw error;
  }
}

async function untilDone(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch {
      await sleep(CLOSE_RETRY_MS, undefined, { ref: false });
    }
  }
}

/**
 * Reads the assigned partitions until the assignment changes; starts over when told to, or when the log was or may have
 * been replaced.
 */
async function* readAssignment(
  reader: Reader,
  { partitions, signal: assigned }: Assignment,
  { topic, signal, onAssigned, onThrottled }: SubscribeOptions,
): AsyncGenerator<LogBatch[]> {
  const { consumer, member } = reader;
  let divergesAt: ReadonlyMap<number, number> = new Map();
  while (!assigned.aborted && !signal.aborted) {
    const { opened, described } = await describeConnected(consumer, () =>
      describePartitions(consumer, topic, partitions, divergesAt),
    );
    const start = await onAssigned(described);
    const positions = new Map(start.positions);
    // Also commits idle partitions, so that lag tools show them correctly.
    for (const [partition, { offset, leaderEpoch = NO_EPOCH }] of positions) {
      member.commit(partition, offset, leaderEpoch);
    }
    const over = new AbortController();
    const ends = [assigned, signal, over.signal, ...(start.restart === undefined ? [] : [start.restart])];
    const reading = { topic, positions, opened, signal, over, ended: AbortSignal.any(ends), onThrottled };
    divergesAt = yield* readFrom(reader, reading);
  }
}

/** What the log holds, asked over connections of which none was opened meanwhile. */
async function describeConnected<T>(
  consumer: Consumer,
  describe: () => Promise<T>,
): Promise<{ opened: number; described: T }> {
  for (;;) {
    const { opened } = consumer;
    const described = await describe();
    if (consumer.opened === opened) return { opened, described };
  }
}

interface Reading {
  topic: string;
  /** Next offset of each assigned partition; advances as batches are yielded. */
  positions: Map<number, StartPosition>;
  /** Connections opened before it was described what the log holds. */
  opened: number;
  /** The reader is leaving. */
  signal: AbortSignal;
  /** Aborted when this reading is over. */
  over: AbortController;
  /** This reading is over, or has to be, for whatever reason. */
  ended: AbortSignal;
  onThrottled: SubscribeOptions['onThrottled'];
}

/**
 * Yields the batches of one reading until it is over. One fetch per broker is in flight, even during processing.
 *
 * @returns the partitions whose log differs from the one their positions belong to, and from which offset on
 */
async function* readFrom(
  { consumer, member, logger }: Reader,
  reading: Reading,
): AsyncGenerator<LogBatch[], ReadonlyMap<number, number>> {
  const { signal, ended } = reading;
  const fetches = new Map<number, Promise<FetchDone>>();
  try {
    while (!ended.aborted) {
      await startFetches(consumer, reading, fetches);
      const done = await firstDone(fetches, ended);
      if (done === undefined) break;
      fetches.delete(done.node);
      if (done.error) throw done.error;
      const divergesAt = divergences(done.response!);
      if (divergesAt.size > 0) return divergesAt;
      // A cluster put back to an earlier state counts its leader epochs from there again: they show no difference then.
      if (consumer.isConnectedSince(reading.opened, done.node)) {
        logger.debug({ node: done.node }, 'the broker was connected to again: asking what the log holds');
        break;
      }
      const { throttleTimeMs } = done.response!;
      if (throttleTimeMs > 0) {
        logger.debug({ node: done.node, throttleTimeMs }, 'a quota holds reading back');
        reading.onThrottled?.(throttleTimeMs);
      }
      const batches = toBatches(done.response!, reading, member);
      // The broker collects the next records while these are processed.
      await startFetches(consumer, reading, fetches);
      if (batches.length > 0 && !ended.aborted) yield batches;
    }
    return new Map();
  } finally {
    reading.over.abort();
    // The client allows one fetch per broker at a time, so the next reading must wait for these.
    if (!signal.aborted) await Promise.all(fetches.values());
  }
}

async function startFetches(
  consumer: Consumer,
  { topic, positions, ended }: Reading,
  fetches: Map<number, Promise<FetchDone>>,
): Promise<void> {
  if (positions.size === 0) return;
  const metadata = await consumer.describeTopic(topic);
  const byLeader = Map.groupBy(positions.keys(), (partition) => metadata.partitions[partition]!.leader);
  for (const [node, partitions] of byLeader) {
    if (fetches.has(node)) continue;
    const wanted = new Map(partitions.map((partition) => [partition, positions.get(partition)!]));
    const request = fetchFrom(consumer, {
      node,
      topicId: metadata.id,
      positions: wanted,
      maxWaitMs: FETCH_MAX_WAIT_MS,
      signal: ended,
    });
    fetches.set(
      node,
      request.then(
        (response) => ({ node, response }),
        (error: Error) => ({ node, error }),
      ),
    );
  }
}

/** The first fetch to finish; nothing if the assignment ends first. With nothing assigned, waits for its end. */
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

function divergences({ responses }: FetchResponse): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  for (const { partitionIndex, divergingEpoch } of responses.flatMap(({ partitions }) => partitions)) {
    if (divergingEpoch !== undefined && divergingEpoch.epoch >= 0) {
      found.set(partitionIndex, Number(divergingEpoch.endOffset));
    }
  }
  return found;
}

/** Also advances the positions: the next fetch continues after the records returned here. */
function toBatches(
  response: FetchResponse,
  { topic, positions, ended }: Reading,
  member: GroupMember,
): LogBatch[] {
  const batches: LogBatch[] = [];
  for (const { topicId, partitions } of response.responses) {
    for (const fetched of partitions) {
      const { partitionIndex: partition } = fetched;
      const fetchedFrom = positions.get(partition)?.offset;
      const last = fetched.records?.at(-1);
      if (fetchedFrom === undefined || last === undefined) continue;
      const nextOffset = offsetBehind(last);
      if (nextOffset <= fetchedFrom) continue;
      const leaderEpoch = last.partitionLeaderEpoch;
      positions.set(partition, { offset: nextOffset, leaderEpoch });
      batches.push({
        topic,
        topicId,
        partition,
        fetchedFrom,
        records: toRecords(fetched, fetchedFrom),
        nextOffset,
        leaderEpoch,
        isAssigned: () => !ended.aborted,
        commit: () => member.commit(partition, nextOffset, leaderEpoch),
      });
    }
  }
  return batches;
}
