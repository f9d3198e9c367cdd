// Single POSTs, each acknowledged: against bare node:http with the same client and grouping, and peers.
import { join } from 'node:path';
import { type BenchOptions, type Ground, type Measured, PARTITIONS, startNode, startPeer } from './ground.ts';
import { type LoadResult, postEvents } from './load.ts';
import { median, type Row } from './rows.ts';

const WARM_UP_SECONDS = 4;
const BARE = 'bare node:http, same client and grouping';
const BARE_HTTP = 'bare node:http, no log';

interface Target {
  what: string;
  limit?: string;
  wanted?: Row['wanted'];
  /** The connections it is loaded with, as a multiple. */
  overload?: number;
  start(): Promise<Measured>;
}

type Result = LoadResult & { mostMb: number };

export async function benchPost(ground: Ground, options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const connections of [64, 256]) rows.push(...(await benchConnections(ground, options, connections)));
  return rows;
}

async function benchConnections(ground: Ground, options: BenchOptions, connections: number): Promise<Row[]> {
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
  const rates = (target: Target) => results.get(target)!.map(({ requestsPerSecond }) => requestsPerSecond);
  return targets.map((target) => {
    const limit = targets.find(({ what }) => what === target.limit);
    return {
      ...{
        part: 'post',
        what: `${target.what}, ${connections} connections`,
        unit: 'requests/s',
        runs: rates(target),
      },
      ...(limit && { limit: { name: limit.what, runs: rates(limit) } }),
      ...(target.wanted && { wanted: target.wanted }),
      notes: describe(results.get(target)!),
    };
  });
}

function describe(results: readonly Result[]): string {
  const p50 = median(results.map(({ p50Ms }) => p50Ms));
  const p99 = median(results.map(({ p99Ms }) => p99Ms));
  const failures = results.reduce((sum, one) => sum + one.failures, 0);
  const most = Math.max(...results.map(({ mostMb }) => mostMb));
  return `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${most} MB, ${failures} failures, ${results[0]!.generator}`;
}

async function measure(
  ground: Ground,
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
    return { ...result, mostMb: measured.memory().most };
  } finally {
    await measured.stop();
  }
}

async function targetsFor(ground: Ground, { peers }: BenchOptions, connections: number): Promise<Target[]> {
  const { bootstrap } = await ground.kafka();
  const name = (what: string) => `${what}-${connections}`;
  const bareTopic = await ground.topic(name('bare'));
  const bare = (how: string) =>
    startNode(['bench/bare-server.ts', bootstrap, bareTopic, String(PARTITIONS), how]);
  const footfall = async (what: string, env: Record<string, string>) =>
    ground.footfall({
      ...{ KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: name(what), DATABASE_URL: await ground.database(), ...env },
    });
  let folders = 0;
  const embedded = () =>
    ground.footfall({ DATA_DIR: join(ground.folder, `embedded-${connections}-${folders++}`) });
  const of = (limit: string, atLeast: number) => ({ limit, wanted: { atLeast } });
  return [
    { what: BARE, start: () => bare('grouped') },
    { what: 'Footfall, ROLE=api', ...of(BARE, 0.85), start: () => footfall('api', { ROLE: 'api' }) },
    { what: 'Footfall, API + consumer + PostgreSQL', ...of(BARE, 0.5), start: () => footfall('all', {}) },
    {
      ...{ what: 'Footfall, WORKERS=1, that and the consumer a process each', ...of(BARE, 0.5) },
      start: () => footfall('workers', { WORKERS: '1' }),
    },
    {
      ...{ what: 'Footfall, ROLE=api, 10 times what it admits', limit: BARE, overload: 10 },
      start: () => footfall('overload', { ROLE: 'api', MAX_IN_FLIGHT_REQUESTS: String(connections) }),
    },
    { what: 'one send for each request', limit: BARE, start: () => bare('single') },
    { what: BARE_HTTP, start: () => bare('none') },
    { what: 'Footfall, embedded', ...of(BARE_HTTP, 25 / 60), start: embedded },
    ...peers.map((peer) => ({
      ...{ what: peer.name, limit: BARE },
      start: () => startPeer(peer, { KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: bareTopic }),
    })),
  ];
}
