import { Admin } from '@platformatic/kafka';
import { Catalog } from '../../src/events/catalog.ts';
import { decodeEvent, encodeEvent, eventKey, isRejection } from '../../src/events/event.ts';
import { KafkaLog } from '../../src/log/kafka/kafka-log.ts';
import { type MissingRecord, verify } from '../../src/operations/verify.ts';
import { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { silentLogger } from '../support/logger.ts';
import type { History, Place, TopicRecord } from './check-history.ts';
import type { Account } from './check-ledger.ts';
import { type Cluster, GROUP, TOPIC } from './cluster.ts';
import { until } from './fault.ts';
import type { Acked } from './load.ts';
import { isSamePartition } from './past.ts';

/** Reading all of a topic once more takes its time. */
const CATCHES_UP_WITHIN_MS = 60_000;

const CATALOGUE = new Catalog();

type PositionRow = Record<keyof Account, string>;

/** Reads log and store past the service and its proxies. */
export async function readHistory(cluster: Cluster, acked: readonly Acked[]): Promise<History> {
  const stored = await cluster.query<{ key: string; userId: string; json: string }>(
    'select event_key::text as key, user_id as "userId", json from events order by seq',
  );
  const deadLetters = await cluster.query<Record<'topicId' | 'partition' | 'offset', string>>(
    'select topic_id as "topicId", partition, "offset" from dead_letters where consumer_group = $1',
    [GROUP],
  );
  return {
    acked,
    topic: inPlaces([...cluster.past.processed, ...(await readTopic(cluster))]),
    stored,
    deadLetters: deadLetters.map(toPlace),
    positions: await readPositions(cluster),
    counted: await readCounts(cluster),
    deleted: cluster.past.deleted,
    gone: cluster.past.gone,
    rewritten: cluster.past.rewritten,
    rewound: cluster.past.rewound,
    ends: [...cluster.past.ends, ...(await readEnds(cluster))],
    uncounted: cluster.past.uncounted,
  };
}

async function readCounts(cluster: Cluster): Promise<History['counted']> {
  const store = openStore(cluster);
  const totals = await store.counts.totals();
  await store.close();
  const users = await cluster.query<{ userId: string; events: string }>(
    `select value as "userId", sum(events) as events from value_counts where dimension = 'userId' group by value`,
  );
  const [distinct] = await cluster.query<Record<'counted' | 'rows', string>>(
    'select (select sum(distinct_values) from distinct_counts) as counted, (select count(*) from value_counts) as rows',
  );
  return {
    users: users.map(({ userId, events }) => ({ userId, events: Number(events) })),
    total: totals.reduce((sum, { events }) => sum + events, 0),
    distinct: [Number(distinct!.counted), Number(distinct!.rows)],
  };
}

/** A broker that dies may forget that it had deleted some of the topic, and have it again. */
function inPlaces(records: readonly TopicRecord[]): TopicRecord[] {
  const places = new Map<string, TopicRecord>();
  for (const record of records) places.set(`${record.topicId} ${record.partition} ${record.offset}`, record);
  return [...places.values()];
}

async function readPositions(cluster: Cluster): Promise<Account[]> {
  const rows = await cluster.query<PositionRow>(
    `select topic_id as "topicId", partition, coalesce(next_offset, 0) as "offset",
       coalesce(start_offset, 0) as "startOffset", stored, duplicates, dead_lettered as "deadLettered",
       without_record as "withoutRecord", lost, rewound
     from positions where consumer_group = $1 and topic = $2`,
    [GROUP, TOPIC],
  );
  return rows.map((row) => ({
    ...toPlace(row),
    startOffset: Number(row.startOffset),
    stored: Number(row.stored),
    duplicates: Number(row.duplicates),
    deadLettered: Number(row.deadLettered),
    withoutRecord: Number(row.withoutRecord),
    lost: Number(row.lost),
    rewound: Number(row.rewound),
  }));
}

/** The positions of the topic that is there now. */
export async function presentPositions(cluster: Cluster): Promise<Account[]> {
  const topicId = await currentTopicId(cluster);
  return (await readPositions(cluster)).filter((position) => position.topicId === topicId);
}

/** How many records of the present topic are passed, in all partitions together. */
export async function passedRecords(cluster: Cluster): Promise<number> {
  return (await presentPositions(cluster)).reduce((sum, { offset }) => sum + offset, 0);
}

/** Where each partition ends, as far as it can be read. */
export async function readEnds(cluster: Cluster): Promise<Place[]> {
  const log = openLog(cluster);
  const { topicId, ends } = await log.ends(TOPIC);
  await log.close();
  return [...ends].map(([partition, { stable }]) => ({ topicId, partition, offset: stable }));
}

function toPlace(row: Record<'topicId' | 'partition' | 'offset', string>): Place {
  return { topicId: row.topicId, partition: Number(row.partition), offset: Number(row.offset) };
}

/** What `npm run verify` finds missing: the service's own oracle, beside the checker. */
export async function verifyCluster(cluster: Cluster): Promise<MissingRecord[]> {
  const log = openLog(cluster);
  const store = openStore(cluster);
  const range = { from: 0, to: Number.POSITIVE_INFINITY };
  const { missing, accounts } = await verify({
    log,
    store,
    catalog: CATALOGUE,
    topic: TOPIC,
    group: GROUP,
    ...range,
  });
  await Promise.all([log.close(), store.close()]);
  const unaccounted = accounts.filter((account) => account.unaccounted !== 0);
  return [
    ...missing,
    ...unaccounted.map(({ partition }) => ({ partition, offset: -1, eventId: 'unaccounted' })),
  ];
}

/** Whether records of the topic are not processed yet. */
async function isBehind(cluster: Cluster): Promise<boolean> {
  const ends = await readEnds(cluster);
  const positions = await readPositions(cluster);
  return ends.some((end) => (positions.find((one) => isSamePartition(one, end))?.offset ?? 0) < end.offset);
}

/** @returns whether all that is in the log was processed in time */
export function catchesUp(cluster: Cluster): Promise<boolean> {
  return until(async () => !(await isBehind(cluster)), CATCHES_UP_WITHIN_MS);
}

/** Waits, with nothing coming in, until all that was acknowledged is processed. */
export async function untilCaughtUp(cluster: Cluster, violated: (what: string) => void): Promise<void> {
  if (!(await catchesUp(cluster)))
    violated('I7 with nothing coming in, what was acknowledged is not processed');
}

export async function currentTopicId(cluster: Cluster): Promise<string> {
  return withAdmin(cluster, async (admin) => {
    const { topics } = await admin.metadata({ topics: [TOPIC], forceUpdate: true });
    return topics.get(TOPIC)!.id;
  });
}

/** Asks the brokers themselves, past the service. */
export async function withAdmin<T>(cluster: Cluster, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: 'torture', bootstrapBrokers: cluster.bootstrap });
  try {
    return await use(admin);
  } finally {
    await admin.close();
  }
}

function openStore(cluster: Cluster): PostgresStore {
  return new PostgresStore({ url: `${cluster.postgres.url}/postgres`, poolSize: 2, logger: silentLogger });
}

function openLog(cluster: Cluster): KafkaLog {
  return new KafkaLog({
    brokers: cluster.bootstrap,
    clientId: 'checker',
    instanceId: undefined,
    topics: [{ name: TOPIC }],
    partitions: 3,
    replication: -1,
    producerRetries: 3,
    producerTimeoutMs: 10_000,
    sessionTimeoutMs: 10_000,
    logger: silentLogger,
  });
}

export async function readTopic(cluster: Cluster): Promise<TopicRecord[]> {
  const log = openLog(cluster);
  const records: TopicRecord[] = [];
  for await (const { topicId, partition, records: read } of log.scan(TOPIC)) {
    for (const { offset, value } of read) {
      const decoded = decodeEvent(value, CATALOGUE);
      const event = isRejection(decoded)
        ? undefined
        : { key: eventKey(decoded.eventId), userId: decoded.userId, json: encodeEvent(decoded) };
      records.push({ topicId, partition, offset, event });
    }
  }
  await log.close();
  return records;
}
