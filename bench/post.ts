// Single POSTs, each acknowledged: against bare node:http with the same client and grouping, and peers.
import { join } from 'node:path';
import {
  type BenchOptions,
  type Measured,
  PARTITIONS,
  partitionStates,
  startNode,
  startPeer,
  type TestCluster,
} from './ground.ts';
import { type LoadResult, postEvents } from './load.ts';
import { median, type Row } from './rows.ts';

const WARM_UP_SECONDS = 4;
const BARE = 'bare node:http, same client and grouping';
const BARE_HTTP = 'bare node:http, no log';

interface Target {
  what: string;
  /** The names of what it is compared with; what is wanted is of the first. */
  limits: string[];
  wanted?: Row['wanted'];
  /** Whether its latencies are to lie close together. */
  isSteady?: boolean;
  /** Whether it also processes what it takes, and is to keep up with that. */
  processes?: boolean;
  /** The connections it is loaded with, as a multiple. */
  overload?: number;
  start(): Promise<Measured>;
}

/** `lagS`: what was taken and not processed at the end, as seconds of load. */
type Result = LoadResult & { mostMb: number; lagS: number };

export async function benchPost(ground: TestCluster, options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const connections of [64, 256]) rows.push(...(await benchConnections(ground, options, connections)));
  return rows;
}

async function benchConnections(
  ground: TestCluster,
  options: BenchOptions,
  connections: number,
): Promise<Row[]> {
  const targets = await targetsFor(ground, options, connections);
  const results = new Map<Target, Result[]>(targets.map((target) => [target, []]));
  // A broker that has just started takes half as much as a little later: what comes first is not counted.
  await measure(ground, options, targets[0]!, connections);
  for (let run = 1; run <= options.runs; run++) {
    for (const target of targets) {
      const result = await measure(ground, options, target, connections);
      results.get(target)!.push(result);
      console.error(
        `post, ${connections} connections, run ${run}: ${target.what}: ${Math.round(result.requestsPerSecond)}/s`,
      );
    }
  }
  return targets.flatMap((target) => rowsOf(target, results, connections));
}

function rowsOf(target: Target, results: ReadonlyMap<Target, Result[]>, connections: number): Row[] {
  const own = results.get(target)!;
  const what = `${target.what}, ${connections} connections`;
  const rates = own.map(({ requestsPerSecond }) => requestsPerSecond);
  const row = { part: 'post', what, unit: 'requests/s', runs: rates, notes: describe(own) };
  const against = [...results].filter(([{ what: name }]) => target.limits.includes(name));
  const rows: Row[] = against.map(([{ what: name }, others], at) => ({
    ...row,
    limit: { name, runs: others.map(({ requestsPerSecond }) => requestsPerSecond) },
    // What is wanted is of the first.
    ...(at === 0 && target.wanted && { wanted: target.wanted }),
  }));
  if (rows.length === 0) rows.push(row);
  if (target.isSteady) {
    const runs = own.map(({ p50Ms, p99Ms }) => p99Ms / p50Ms);
    rows.push({ part: 'post', what: `${what}: p99`, unit: 'times p50', runs, wanted: { atMost: 3 } });
  }
  if (target.processes) {
    const runs = own.map(({ lagS }) => lagS);
    rows.push({
      part: 'post',
      what: `${what}: not processed`,
      unit: 's of load',
      runs,
      wanted: { atMost: 1 },
    });
  }
  return rows;
}

function describe(results: readonly Result[]): string {
  const p50 = median(results.map(({ p50Ms }) => p50Ms));
  const p99 = median(results.map(({ p99Ms }) => p99Ms));
  const failures = results.reduce((sum, one) => sum + one.failures, 0);
  const most = Math.max(...results.map(({ mostMb }) => mostMb));
  return `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${most} MB, ${failures} failures, ${results[0]!.generator}`;
}

async function measure(
  ground: TestCluster,
  { seconds }: BenchOptions,
  target: Target,
  connections: number,
): Promise<Result> {
  const measured = await target.start();
  try {
    const load = {
      url: measured.url,
      connections: connections * (target.overload ?? 1),
      folder: ground.folder,
    };
    await postEvents({ ...load, seconds: WARM_UP_SECONDS });
    const result = await postEvents({ ...load, seconds });
    const waiting = target.processes ? (await partitionStates(measured)).map(({ lag }) => lag ?? 0) : [];
    const lagS = waiting.reduce((sum, lag) => sum + lag, 0) / result.requestsPerSecond;
    return { ...result, lagS, mostMb: measured.memory().most };
  } finally {
    await measured.stop();
  }
}

async function targetsFor(
  ground: TestCluster,
  { peers }: BenchOptions,
  connections: number,
): Promise<Target[]> {
  const { bootstrap } = await ground.kafka();
  const name = (what: string) => `${what}-${connections}`;
  const bareTopic = await ground.topic(name('bare'));
  const bare = (how: string) =>
    startNode(['bench/bare-server.ts', bootstrap, bareTopic, String(PARTITIONS), how]);
  const footfall = async (what: string, env: Record<string, string>) =>
    ground.footfall({ ...(await ground.kafkaAndPostgres(name(what))), ...env });
  let folders = 0;
  const embedded = () =>
    ground.footfall({ DATA_DIR: join(ground.folder, `embedded-${connections}-${folders++}`) });
  const of = (limit: string, atLeast: number) => ({ limits: [limit], wanted: { atLeast } });
  const peerNames = peers.map((peer) => peer.name);
  return [
    { what: BARE, limits: [], start: () => bare('grouped') },
    {
      what: 'Footfall, ROLE=api',
      limits: [BARE, ...peerNames],
      wanted: { atLeast: 0.85 },
      isSteady: true,
      start: () => footfall('api', { ROLE: 'api' }),
    },
    {
      what: 'Footfall, API + consumer + PostgreSQL',
      ...of(BARE, 0.5),
      processes: true,
      start: () => footfall('all', {}),
    },
    {
      what: 'Footfall, WORKERS=1, that and the consumer a process each',
      ...of(BARE, 0.5),
      processes: true,
      start: () => footfall('workers', { WORKERS: '1' }),
    },
    {
      what: 'Footfall, ROLE=api, 10 times what it admits',
      limits: [BARE],
      overload: 10,
      start: () => footfall('overload', { ROLE: 'api', MAX_IN_FLIGHT_REQUESTS: String(connections) }),
    },
    { what: 'one send for each request', limits: [BARE], start: () => bare('single') },
    { what: BARE_HTTP, limits: [], start: () => bare('none') },
    { what: 'Footfall, embedded', ...of(BARE_HTTP, 25 / 60), start: embedded },
    ...peers.map((peer) => ({
      what: peer.name,
      limits: [BARE],
      start: () => startPeer(peer, { KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: bareTopic }),
    })),
  ];
}
