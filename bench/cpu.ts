// CPU time of the process for each request or event, in turns with the least that the same work can take: unlike
// throughput it hardly depends on what else the machine does.
import { setTimeout as sleep } from 'node:timers/promises';
import { produceBacklog } from './backlog.ts';
import { postBatches } from './batch.ts';
import { startProcessing, untilStored } from './catch-up.ts';
import {
  type BenchOptions,
  type Measured,
  PARTITIONS,
  partitionStates,
  STORE_KINDS,
  startNode,
  type TestCluster,
} from './ground.ts';
import { postEvents } from './load.ts';
import { fillStore, readAll } from './reads.ts';
import type { Row } from './rows.ts';

const WARM_UP_SECONDS = 3;
const POLL_MS = 200;
const MOST_MB = 256;

/** What a process has done, and the CPU time it took. */
interface Work {
  count: number;
  cpuMs: number;
}

interface Side {
  start(): Promise<Measured>;
  work(measured: Measured): Promise<Work>;
}

interface Pair {
  what: string;
  own: Side;
  limit: Side & { name: string };
  /** What the CPU time is divided by. */
  unit: 'request' | 'event';
  /** At most so many times the limit's. */
  wanted: number;
}

interface Spent {
  /** Microseconds of CPU time for each. */
  each: number;
  mostMb: number;
}

export async function benchCpu(ground: TestCluster, options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const pairs of [postPairs, batchPair, catchUpPair, readPairs]) {
    for (const pair of await pairs(ground, options)) rows.push(...(await benchPair(pair, options.runs)));
    await ground.settle();
  }
  return rows;
}

async function benchPair({ what, own, limit, unit, wanted }: Pair, runs: number): Promise<Row[]> {
  const results: Spent[] = [];
  const limits: Spent[] = [];
  for (let run = 1; run <= runs; run++) {
    limits.push(await spend(limit));
    results.push(await spend(own));
    const [of, to] = [results.at(-1)!.each.toFixed(1), limits.at(-1)!.each.toFixed(1)];
    console.error(`cpu, ${what}, run ${run}: ${of} to ${to} µs for each ${unit}`);
  }
  return [
    {
      part: 'cpu',
      what,
      unit: `µs for each ${unit}`,
      runs: results.map(({ each }) => each),
      limit: { name: limit.name, runs: limits.map(({ each }) => each) },
      wanted: { atMost: wanted },
    },
    {
      part: 'cpu',
      what: `${what}: memory`,
      unit: 'MB',
      runs: results.map(({ mostMb }) => mostMb),
      wanted: { atMost: MOST_MB },
    },
  ];
}

async function spend({ start, work }: Side): Promise<Spent> {
  const measured = await start();
  try {
    const { count, cpuMs } = await work(measured);
    return { each: (cpuMs * 1000) / count, mostMb: measured.memory().most };
  } finally {
    await measured.stop();
  }
}

/** Once to warm up, once to be measured. */
function twice(work: (measured: Measured, seconds: number) => Promise<number>, seconds: number) {
  return async (measured: Measured): Promise<Work> => {
    await work(measured, WARM_UP_SECONDS);
    const before = measured.cpuMs();
    const count = await work(measured, seconds);
    return { count, cpuMs: measured.cpuMs() - before };
  };
}

async function postPairs(ground: TestCluster, { seconds }: BenchOptions): Promise<Pair[]> {
  const { bootstrap } = await ground.kafka();
  const topic = await ground.topic('cpu-bare');
  const post = (connections: number) => async (measured: Measured, duration: number) => {
    const { folder } = ground;
    const load = { url: measured.url, connections, seconds: duration, folder };
    return (await postEvents(load)).requestsPerSecond * duration;
  };
  const processed = (connections: number) => async (measured: Measured, duration: number) => {
    const count = await post(connections)(measured, duration);
    await untilProcessed(measured);
    return count;
  };
  const bare = (how: string, connections: number) => ({
    name: how === 'none' ? 'bare node:http, no log' : 'bare node:http, same client and grouping',
    start: () => startNode(['bench/bare-server.ts', bootstrap, topic, String(PARTITIONS), how]),
    work: twice(post(connections), seconds),
  });
  let started = 0;
  // What a run leaves in its topic or folder is not work for the next.
  const onKafka = async (env: Record<string, string> = {}) =>
    ground.footfall({ ...(await ground.kafkaAndPostgres(`cpu-${started++}`)), ...env });
  return [64, 256].flatMap((connections): Pair[] => [
    {
      what: `single POST, ROLE=api, ${connections} connections`,
      own: {
        start: () => onKafka({ ROLE: 'api' }),
        work: twice(post(connections), seconds),
      },
      limit: bare('grouped', connections),
      unit: 'request',
      wanted: 1.2,
    },
    {
      what: `one process, API + consumer + PostgreSQL, until stored, ${connections} connections`,
      own: {
        start: () => onKafka(),
        work: twice(processed(connections), seconds),
      },
      limit: bare('grouped', connections),
      unit: 'request',
      wanted: 2.2,
    },
    {
      what: `embedded, until stored, ${connections} connections`,
      own: {
        start: () => ground.footfall({ DATA_DIR: `${ground.folder}/cpu-embedded-${started++}` }),
        work: twice(processed(connections), seconds),
      },
      limit: bare('none', connections),
      unit: 'request',
      wanted: 2,
    },
  ]);
}

async function untilProcessed(measured: Measured): Promise<void> {
  const isBehind = async () => (await partitionStates(measured)).some(({ lag }) => lag !== 0);
  while (await isBehind()) await sleep(POLL_MS);
}

async function batchPair(ground: TestCluster, { seconds }: BenchOptions): Promise<Pair[]> {
  const { bootstrap } = await ground.kafka();
  const topic = await ground.topic('cpu-bare-batch');
  const work = twice((measured, duration) => postBatches(measured.url, duration), seconds);
  return [
    {
      what: 'batches of 500, ROLE=api',
      own: {
        start: async () => ground.footfall({ ...(await ground.kafkaAndPostgres('cpu-batch')), ROLE: 'api' }),
        work,
      },
      limit: {
        name: 'bare node:http, JSON.parse and the same client',
        start: () => startNode(['bench/bare-server.ts', bootstrap, topic, String(PARTITIONS), 'grouped']),
        work,
      },
      unit: 'event',
      wanted: 1.3,
    },
  ];
}

async function catchUpPair(ground: TestCluster, { events }: BenchOptions): Promise<Pair[]> {
  const { bootstrap } = await ground.kafka();
  const topic = await ground.topic('cpu-backlog');
  await produceBacklog(ground, topic, events);
  return [
    {
      what: `backlog of ${events} into PostgreSQL`,
      own: {
        start: async () => startProcessing(ground, topic, await ground.database()),
        // From the first that are stored: joining the group is not what is measured.
        async work(measured) {
          const first = await untilStored(measured, 1);
          const before = measured.cpuMs();
          await untilStored(measured, events);
          return { count: events - first, cpuMs: measured.cpuMs() - before };
        },
      },
      limit: {
        name: 'bare fetch and unnest of the same columns',
        start: async () => startNode(['bench/bare-consumer.ts', bootstrap, topic, await ground.database()]),
        work: askTwice,
      },
      unit: 'event',
      wanted: 1.4,
    },
  ];
}

/** Of a program that does its work when it is asked, and answers with how much that was. */
async function askToWork(measured: Measured): Promise<Work> {
  const before = measured.cpuMs();
  const count = Number(await (await fetch(measured.url)).text());
  return { count, cpuMs: measured.cpuMs() - before };
}

/** Once to warm up. */
async function askTwice(measured: Measured): Promise<Work> {
  await askToWork(measured);
  return askToWork(measured);
}

async function readPairs(ground: TestCluster, { events }: BenchOptions): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const kind of STORE_KINDS) {
    const { env } = await fillStore(ground, kind, events);
    pairs.push({
      what: `all of ${events} from ${kind}`,
      own: {
        start: () => ground.footfall({ DATA_DIR: `${ground.folder}/cpu-reads`, ...env }),
        work: twice(async (measured) => {
          await readAll(measured);
          return events;
        }, 0),
      },
      limit: {
        name: "the store's own client",
        start: () => startNode(['bench/bare-reader.ts', env.DATABASE_URL!]),
        work: askTwice,
      },
      unit: 'event',
      wanted: 1.4,
    });
  }
  return pairs;
}
