// A backlog in Kafka, processed into each store: against bare multi-row inserts of the same events into it.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openSqliteFile } from '../src/sqlite/sqlite-file.ts';
import type { EventToStore } from '../src/store/event-store.ts';
import { produceBacklog } from './backlog.ts';
import { makeEvents } from './events.ts';
import {
  type BenchOptions,
  type Measured,
  partitionStates,
  STORE_KINDS,
  type StoreKind,
  type TestCluster,
} from './ground.ts';
import { HeapProbe } from './heap.ts';
import type { Row } from './rows.ts';

const BATCH = 1000;
/** The limit is measured with as many at most. */
const BARE_EVENTS = 1_000_000;
const POLL_MS = 100;
const MOST_MB = 250;
/** An event in memory may take so much more than its JSON text. */
const MOST_EXTRA_BYTES = 150;

export async function benchCatchUp(ground: TestCluster, options: BenchOptions): Promise<Row[]> {
  const topic = await ground.topic('backlog');
  const jsonBytes = await produceBacklog(ground, topic, options.events);
  const rows: Row[] = [];
  for (const kind of STORE_KINDS) rows.push(...(await benchStore(ground, options, topic, kind)));
  rows.push(await benchMemory(ground, options, topic, jsonBytes));
  return rows;
}

async function benchStore(
  ground: TestCluster,
  { runs, events }: BenchOptions,
  topic: string,
  kind: StoreKind,
): Promise<Row[]> {
  const indexed: number[] = [];
  const plain: number[] = [];
  const rates: number[] = [];
  const memory: number[] = [];
  for (let run = 0; run < runs; run++) {
    const count = Math.min(events, BARE_EVENTS);
    plain.push(await bareInserts(ground, kind, count, false));
    indexed.push(await bareInserts(ground, kind, count, true));
    const store =
      kind === 'SQLite' ? `sqlite:${join(ground.folder, `catch-up-${run}.db`)}` : await ground.database();
    const { perSecond, mostMb } = await process(ground, topic, store, events);
    rates.push(perSecond);
    memory.push(mostMb);
    console.error(
      `catch-up, ${kind}, run ${run + 1}: ${Math.round(perSecond)} of ${Math.round(indexed.at(-1)!)} events/s`,
    );
  }
  const what = `backlog of ${events} into ${kind}`;
  const row = { part: 'catch-up', what, unit: 'events/s', runs: rates };
  return [
    {
      ...row,
      wanted: { atLeast: 0.85 },
      limit: { name: 'bare multi-row inserts, indexed by id, user and type', runs: indexed },
    },
    { ...row, limit: { name: 'bare multi-row inserts, indexed by id', runs: plain } },
    { part: 'catch-up', what: `${what}: memory`, unit: 'MB', runs: memory, wanted: { atMost: MOST_MB } },
  ];
}

async function benchMemory(
  ground: TestCluster,
  { events }: BenchOptions,
  topic: string,
  jsonBytes: number,
): Promise<Row> {
  const probe = await HeapProbe.make();
  const footfall = await startProcessing(ground, topic, 'memory:', probe.nodeArguments);
  try {
    const before = await probe.used();
    await untilStored(footfall, events);
    const extra = ((await probe.used()) - before - jsonBytes) / events;
    return {
      part: 'catch-up',
      what: 'memory store: beside the JSON text',
      unit: 'bytes an event',
      runs: [extra],
      wanted: { atMost: MOST_EXTRA_BYTES },
    };
  } finally {
    await footfall.stop();
  }
}

export async function startProcessing(
  ground: TestCluster,
  topic: string,
  store: string,
  nodeArguments: string[] = [],
) {
  const { bootstrap } = await ground.kafka();
  return ground.footfall(
    {
      KAFKA_BROKERS: bootstrap,
      KAFKA_TOPIC: topic,
      KAFKA_CONSUMER_GROUP: randomUUID(),
      DATABASE_URL: store,
    },
    nodeArguments,
  );
}

async function process(ground: TestCluster, topic: string, store: string, events: number) {
  const footfall = await startProcessing(ground, topic, store);
  try {
    // From the first that are stored: joining the group is not what is measured.
    const first = await untilStored(footfall, 1);
    const startedAt = performance.now();
    await untilStored(footfall, events);
    const seconds = (performance.now() - startedAt) / 1000;
    return { perSecond: (events - first) / seconds, mostMb: footfall.memory().most };
  } finally {
    await footfall.stop();
  }
}

export async function untilStored(footfall: Pick<Measured, 'url'>, wanted: number): Promise<number> {
  for (;;) {
    const stored = (await partitionStates(footfall)).reduce((sum, partition) => sum + partition.stored, 0);
    if (stored >= wanted) return stored;
    await sleep(POLL_MS);
  }
}

/** Only the time in the store counts. @returns events a second */
async function bareInserts(
  ground: TestCluster,
  kind: StoreKind,
  count: number,
  isIndexed: boolean,
): Promise<number> {
  const bare = kind === 'SQLite' ? bareSqlite(ground) : await barePostgres(ground);
  if (isIndexed) for (const index of INDEXES) await bare.execute(index);
  let ms = 0;
  for (let done = 0; done < count; done += BATCH) {
    const events = makeEvents(BATCH, done, new Date());
    const startedAt = performance.now();
    await bare.insert(events);
    ms += performance.now() - startedAt;
  }
  await bare.close();
  return (count / ms) * 1000;
}

/** What queries by user and type need. */
const INDEXES = [
  'create index on_user on bare (user_id, seq)',
  'create index on_type on bare (event_type, seq)',
];

interface BareStore {
  execute(sql: string): Promise<void>;
  insert(events: readonly EventToStore[]): Promise<void>;
  close(): Promise<void>;
}

function bareSqlite(ground: TestCluster): BareStore {
  const file = openSqliteFile(join(ground.folder, `bare-${randomUUID()}.db`));
  const { db } = file;
  db.exec(
    'create table bare (seq integer primary key, event_key blob not null unique, user_id text, event_type text, json text)',
  );
  const insert = db.prepare(
    'insert into bare (event_key, user_id, event_type, json) values (?, ?, ?, ?) on conflict do nothing',
  );
  return {
    execute: async (sql) => db.exec(sql),
    async insert(events) {
      db.exec('begin immediate');
      for (const { key, userId, eventType, json } of events) {
        insert.run(Buffer.from(key.replaceAll('-', ''), 'hex'), userId, eventType, json);
      }
      db.exec('commit');
    },
    close: async () => file.close(),
  };
}

async function barePostgres(ground: TestCluster): Promise<BareStore> {
  const client = new pg.Client({ connectionString: await ground.database() });
  await client.connect();
  await client.query(
    'create table bare (seq bigint generated always as identity primary key, event_key uuid not null unique, user_id text, event_type text, json text)',
  );
  return {
    execute: async (sql) => void (await client.query(sql)),
    async insert(events) {
      await client.query(
        `insert into bare (event_key, user_id, event_type, json)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) on conflict do nothing`,
        (['key', 'userId', 'eventType', 'json'] as const).map((name) => events.map((event) => event[name])),
      );
    },
    close: () => client.end(),
  };
}
