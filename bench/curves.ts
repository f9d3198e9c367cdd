// How cost grows: throughput and latency against connections, event size, partitions, rows stored and instances.
import { PostgresStore } from '../src/store/postgres/postgres-store.ts';
import { fill } from './events.ts';
import { type BenchOptions, type Measured, silent, type TestCluster } from './ground.ts';
import { type LoadResult, postEvents } from './load.ts';
import { type CurvePoint, median, type Row } from './rows.ts';

const CONNECTIONS = [1, 4, 16, 64, 256, 1024];
const EVENT_BYTES = [100, 1000, 10_000, 100_000];
const PARTITION_COUNTS = [1, 3, 16, 64];
const INSTANCES = [1, 2, 3];
const FEWEST_ROWS = 10_000;
/** Stored in one transaction while rows are counted. */
const BATCH = 2000;
/** The speed at a number of rows is that of the last so many. */
const LAST_ROWS = 10_000;
const PAGES = 300;
const USUAL_CONNECTIONS = 64;
const WARM_UP_SECONDS = 3;

export async function benchCurves(ground: TestCluster, options: BenchOptions): Promise<Row[]> {
  return [
    ...(await byConnections(ground, options)),
    ...(await byEventSize(ground, options)),
    ...(await byPartitions(ground, options)),
    ...(await byInstances(ground, options)),
    ...(await byRows(ground, options)),
  ];
}

async function byConnections(ground: TestCluster, { seconds }: BenchOptions): Promise<Row[]> {
  return withApi(ground, 'curve-connections', {}, async ({ url }) => {
    const rows: Row[] = [];
    for (const connections of CONNECTIONS) {
      const result = await load(ground, [url], { connections, seconds });
      rows.push(point(`POST, ${connections} connections`, result, { name: 'connections', x: connections }));
    }
    return rows;
  });
}

async function byEventSize(ground: TestCluster, { seconds }: BenchOptions): Promise<Row[]> {
  const env = { MAX_BODY_BYTES: '200000' };
  return withApi(ground, 'curve-size', env, async ({ url }) => {
    const rows: Row[] = [];
    for (const eventBytes of EVENT_BYTES) {
      const result = await load(ground, [url], { connections: USUAL_CONNECTIONS, seconds, eventBytes });
      rows.push(point(`POST, events of ${eventBytes} bytes`, result, { name: 'event-size', x: eventBytes }));
    }
    return rows;
  });
}

async function byPartitions(ground: TestCluster, { seconds }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const partitions of PARTITION_COUNTS) {
    const env = { KAFKA_TOPIC_PARTITIONS: String(partitions) };
    const found = await withApi(ground, `curve-partitions-${partitions}`, env, ({ url }) =>
      load(ground, [url], { connections: USUAL_CONNECTIONS, seconds }),
    );
    rows.push(point(`POST, ${partitions} partitions`, found, { name: 'partitions', x: partitions }));
  }
  return rows;
}

/** Instances that do everything, of one group on one database, each with its share of the connections. */
async function byInstances(ground: TestCluster, { seconds }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of INSTANCES) {
    const env = await ground.kafkaAndPostgres(`curve-instances-${count}`);
    const instances = await Promise.all(Array.from({ length: count }, () => ground.footfall(env)));
    try {
      const urls = instances.map(({ url }) => url);
      const result = await load(ground, urls, { connections: USUAL_CONNECTIONS, seconds });
      rows.push(point(`POST and process, ${count} instances`, result, { name: 'instances', x: count }));
    } finally {
      await Promise.all(instances.map((instance) => instance.stop()));
    }
  }
  return rows;
}

/** Storing, and reading a page from the middle, the more there is. */
async function byRows(ground: TestCluster, { events }: BenchOptions): Promise<Row[]> {
  const url = await ground.database();
  const store = new PostgresStore({ url, poolSize: 4, logger: silent });
  const rows: Row[] = [];
  try {
    for (let size = FEWEST_ROWS, stored = 0; size <= events; size *= 10) {
      await fill(store, size - LAST_ROWS - stored, BATCH);
      const startedAt = performance.now();
      await fill(store, LAST_ROWS, BATCH);
      const perSecond = (LAST_ROWS / (performance.now() - startedAt)) * 1000;
      stored = size;
      const times = await pageTimes(store, size);
      const p99Ms = times[Math.floor(times.length * 0.99)]!;
      rows.push({
        part: 'curves',
        what: `storing in PostgreSQL, ${size} rows there`,
        unit: 'events/s',
        runs: [perSecond],
        curve: { name: 'rows', x: size, p99Ms },
        notes: `a page of 100 from the middle: p50 ${median(times).toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`,
      });
      console.error(`curves: ${size} rows: ${Math.round(perSecond)}/s`);
    }
  } finally {
    await store.close();
  }
  return rows;
}

/** @returns milliseconds, ascending */
async function pageTimes(store: PostgresStore, size: number): Promise<number[]> {
  const times: number[] = [];
  for (let page = 0; page < PAGES; page++) {
    const startedAt = performance.now();
    await store.read({ order: 'asc', after: Math.floor(size / 2), upTo: size, limit: 100 });
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b);
}

async function withApi<T>(
  ground: TestCluster,
  topic: string,
  env: Record<string, string>,
  use: (footfall: Measured) => Promise<T>,
): Promise<T> {
  const footfall = await ground.footfall({
    ...(await ground.kafkaAndPostgres(topic)),
    ROLE: 'api',
    ...env,
  });
  try {
    return await use(footfall);
  } finally {
    await footfall.stop();
  }
}

/** @returns the sum of what the instances took, and the worst of their latencies */
async function load(
  { folder }: TestCluster,
  urls: readonly string[],
  { connections, ...options }: { connections: number; seconds: number; eventBytes?: number },
): Promise<LoadResult> {
  const share = { ...options, folder, connections: Math.ceil(connections / urls.length) };
  const all = (seconds: number) => Promise.all(urls.map((url) => postEvents({ ...share, url, seconds })));
  await all(WARM_UP_SECONDS);
  const results = await all(options.seconds);
  const sum = (of: (result: LoadResult) => number) => results.reduce((total, one) => total + of(one), 0);
  return {
    generator: results[0]!.generator,
    requestsPerSecond: sum((one) => one.requestsPerSecond),
    failures: sum((one) => one.failures),
    p50Ms: Math.max(...results.map(({ p50Ms }) => p50Ms)),
    p99Ms: Math.max(...results.map(({ p99Ms }) => p99Ms)),
  };
}

function point(what: string, result: LoadResult, curve: Omit<CurvePoint, 'p99Ms'>): Row {
  const { requestsPerSecond, p50Ms, p99Ms, failures } = result;
  console.error(`curves: ${what}: ${Math.round(requestsPerSecond)}/s, p99 ${p99Ms.toFixed(1)} ms`);
  return {
    part: 'curves',
    what,
    unit: 'requests/s',
    runs: [requestsPerSecond],
    curve: { ...curve, p99Ms },
    notes: `p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms, ${failures} failures`,
  };
}
