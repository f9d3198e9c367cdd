import { randomUUID } from 'node:crypto';
import { decodeEvent, encodeEvent, eventKey, isRejection } from '../../src/event.ts';
import { KafkaLog } from '../../src/log/kafka-log.ts';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import { type MissingRecord, verify } from '../../src/verify.ts';
import { silentLogger } from '../support/logger.ts';
import { type Cluster, GROUP, TOPIC } from './cluster.ts';
import type { Acked } from './load.ts';

/** A record of the topic as the checker reads it. */
export interface TopicRecord {
  partition: number;
  offset: number;
  /** The event's key and text; undefined for a record that is no event. */
  event: { key: string; userId: string; json: string } | undefined;
}

/** What clients were told, what the log holds, and what the store holds. */
export interface History {
  acked: readonly Acked[];
  topic: readonly TopicRecord[];
  stored: readonly { key: string; userId: string; json: string }[];
  deadLetters: readonly { partition: number; offset: number }[];
  positions: readonly {
    partition: number;
    offset: number;
    stored: number;
    duplicates: number;
    deadLettered: number;
  }[];
}

export interface Verdict {
  counts: Record<string, number>;
  /** What breaks a promise, in words; empty when all hold. */
  violations: string[];
}

/** Reads log and store past the service and its proxies. */
export async function readHistory(cluster: Cluster, acked: readonly Acked[]): Promise<History> {
  const stored = await cluster.query<{ key: string; userId: string; json: string }>(
    'select event_key::text as key, user_id as "userId", json from events order by seq',
  );
  const deadLetters = await cluster.query<{ partition: number; offset: string }>(
    'select partition, "offset" from dead_letters where consumer_group = $1',
    [GROUP],
  );
  const positions = await cluster.query<Record<string, string>>(
    'select partition, next_offset, stored, duplicates, dead_lettered from positions where consumer_group = $1',
    [GROUP],
  );
  return {
    acked,
    topic: await readTopic(cluster),
    stored,
    deadLetters: deadLetters.map(({ partition, offset }) => ({ partition, offset: Number(offset) })),
    positions: positions.map((row) => ({
      partition: Number(row.partition),
      offset: Number(row.next_offset),
      stored: Number(row.stored),
      duplicates: Number(row.duplicates),
      deadLettered: Number(row.dead_lettered),
    })),
  };
}

/** What `npm run verify` finds missing: the service's own oracle, beside the checker. */
export async function verifyCluster(cluster: Cluster): Promise<MissingRecord[]> {
  const log = openLog(cluster);
  const store = new PostgresStore({ url: `${cluster.postgres.url}/postgres`, poolSize: 2 }, silentLogger);
  const range = { from: 0, to: Number.POSITIVE_INFINITY };
  const { missing, accounts } = await verify({ log, store, topic: TOPIC, group: GROUP, ...range });
  await Promise.all([log.close(), store.close()]);
  const unaccounted = accounts.filter((account) => account.unaccounted !== 0);
  return [
    ...missing,
    ...unaccounted.map(({ partition }) => ({ partition, offset: -1, eventId: 'unaccounted' })),
  ];
}

/** Whether records of the topic are not processed yet. */
export async function isBehind(cluster: Cluster): Promise<boolean> {
  const log = openLog(cluster);
  const ends = await log.ends(TOPIC);
  await log.close();
  const positions = await cluster.query<{ partition: number; next_offset: string | null }>(
    'select partition, next_offset from positions where consumer_group = $1',
    [GROUP],
  );
  const processed = new Map(positions.map(({ partition, next_offset }) => [partition, Number(next_offset)]));
  return [...ends].some(([partition, end]) => (processed.get(partition) ?? 0) < end);
}

function openLog(cluster: Cluster): KafkaLog {
  return new KafkaLog(
    {
      ...{ brokers: [`127.0.0.1:${cluster.kafkaProxy.port}`], clientId: 'checker', instanceId: undefined },
      ...{ topics: [{ name: TOPIC }], partitions: 3, replication: 1 },
      ...{ producerRetries: 3, producerTimeoutMs: 10_000, sessionTimeoutMs: 10_000 },
    },
    silentLogger,
  );
}

async function readTopic(cluster: Cluster): Promise<TopicRecord[]> {
  const log = openLog(cluster);
  const records: TopicRecord[] = [];
  const behind = new Map<number, number>();
  const done = new AbortController();
  const batches = log.subscribe({
    topic: TOPIC,
    group: `checker-${randomUUID()}`,
    signal: done.signal,
    startAt: async (assigned) => {
      for (const { partition, earliest, end } of assigned) if (end > earliest) behind.set(partition, end);
      return new Map(assigned.map(({ partition, earliest }) => [partition, earliest]));
    },
  });
  for await (const { partition, nextOffset, records: read } of batches) {
    for (const { offset, value } of read) {
      const decoded = decodeEvent(value);
      const event = isRejection(decoded)
        ? undefined
        : { key: eventKey(decoded.eventId), userId: decoded.userId, json: encodeEvent(decoded) };
      records.push({ partition, offset, event });
    }
    if (nextOffset >= behind.get(partition)!) behind.delete(partition);
    if (behind.size === 0) done.abort();
  }
  await log.close();
  return records;
}

/** The invariants I1 to I4 of the test plan. */
export function checkHistory(history: History): Verdict {
  const { acked, topic, stored, deadLetters, positions } = history;
  const violations: string[] = [];
  const violated = (what: string, found: readonly unknown[]) => {
    if (found.length > 0) violations.push(`${what}: ${found.length}, such as ${JSON.stringify(found[0])}`);
  };
  const storedAt = new Map(stored.map(({ key }, at) => [key, at]));
  const inTopic = firstOf(topic);

  const lost = acked.filter(({ eventId }) => !storedAt.has(eventKey(eventId)));
  violated('I1 acknowledged and not stored', lost);
  const receipts = new Map(
    topic.map(({ partition, offset, event }) => [`${partition}:${offset}`, event?.key]),
  );
  violated(
    'I1 acknowledged and not where the receipt says',
    acked.filter(
      ({ eventId, partition, offset }) => receipts.get(`${partition}:${offset}`) !== eventKey(eventId),
    ),
  );
  violated(
    'I1 in the topic and not stored',
    [...inTopic.values()].filter(({ event }) => !storedAt.has(event!.key)),
  );
  const letters = new Set(deadLetters.map(({ partition, offset }) => `${partition}:${offset}`));
  const junk = topic.filter(({ event }) => event === undefined);
  violated(
    'I1 no event and not among the dead letters',
    junk.filter(({ partition, offset }) => !letters.has(`${partition}:${offset}`)),
  );
  if (deadLetters.length > junk.length)
    violations.push(`good events among the dead letters: ${deadLetters.length - junk.length}`);

  violated(
    'I2 stored twice',
    stored.filter(({ key }, at) => storedAt.get(key) !== at),
  );
  violated(
    'I2 stored and never in the topic',
    stored.filter(({ key }) => !inTopic.has(key)),
  );
  violated(
    'I2 stored with another body than the first',
    stored.filter(({ key, json }) => inTopic.get(key)?.event?.json !== json),
  );

  const reordered = outOfOrder(inTopic, storedAt);
  violated("I3 stored against the order of a user's partition", reordered);

  for (const { partition, offset, stored: count, duplicates, deadLettered } of positions) {
    const records = topic.filter((record) => record.partition === partition);
    if (offset !== records.length)
      violations.push(`I4 partition ${partition} is at ${offset} of ${records.length}`);
    if (count + duplicates + deadLettered !== records.length) {
      violations.push(
        `I4 partition ${partition}: ${records.length} records, but ${count} stored + ${duplicates} duplicates + ${deadLettered} dead-lettered`,
      );
    }
  }
  const counted = positions.reduce((sum, position) => sum + position.stored, 0);
  if (counted !== stored.length) violations.push(`I4 ${counted} counted as stored, ${stored.length} stored`);

  return {
    counts: {
      acknowledged: acked.length,
      'in the topic': topic.length,
      stored: stored.length,
      duplicates: positions.reduce((sum, position) => sum + position.duplicates, 0),
      'dead-lettered': deadLetters.length,
      lost: lost.length,
      reordered: reordered.length,
    },
    violations,
  };
}

/** The first record of each event, by key. Two partitions have no order between them: the one stored may be either. */
function firstOf(topic: readonly TopicRecord[]): Map<string, TopicRecord> {
  const first = new Map<string, TopicRecord>();
  for (const record of topic)
    if (record.event && !first.has(record.event.key)) first.set(record.event.key, record);
  return first;
}

/** Events of a user whose record comes later in its partition than one that was stored after it. */
function outOfOrder(
  inTopic: ReadonlyMap<string, TopicRecord>,
  storedAt: ReadonlyMap<string, number>,
): TopicRecord[] {
  const found: TopicRecord[] = [];
  const lastAt = new Map<string, number>();
  const records = [...inTopic.values()].sort((a, b) => a.partition - b.partition || a.offset - b.offset);
  for (const record of records) {
    const user = `${record.partition}:${record.event!.userId}`;
    const at = storedAt.get(record.event!.key);
    if (at === undefined) continue;
    if (at < (lastAt.get(user) ?? -1)) found.push(record);
    lastAt.set(user, Math.max(at, lastAt.get(user) ?? -1));
  }
  return found;
}
