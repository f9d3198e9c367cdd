import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Admin } from '@platformatic/kafka';
import { Command } from 'commander';
import { KAFKA_4 } from '../scripts/kafka-jars.ts';
import { KafkaServer } from '../scripts/kafka-server.ts';
import { PostgresServer } from '../scripts/postgres-server.ts';
import { type LoadResult, postEvents } from './load.ts';

const program = new Command()
  .name('npm run bench --')
  .description(
    'Measures single POSTs, each acknowledged by a real Kafka, against bare node:http with the same client and grouping in the same run.',
  )
  .option('--connections <number>', 'keep-alive connections', '64')
  .option('--seconds <number>', 'length of one measurement', '8')
  .option('--runs <number>', 'measurements of each, in turns', '3')
  .option('--json', 'print the result as JSON', false)
  .addHelpText('after', '\nExamples:\n  npm run bench\n  npm run bench -- --connections 256 --runs 5 --json');

const options = program.parse().opts<{ connections: string; seconds: string; runs: string; json: boolean }>();
const PARTITIONS = 3;
const WARM_UP_SECONDS = 4;

interface Target {
  name: string;
  args: string[];
  env: Record<string, string>;
  results: Measured[];
  /** Connections, as a multiple of those asked for. */
  overload?: number;
}

type Measured = LoadResult & { mostMemoryMb: number | undefined };

/** The most resident memory a process has had; known on Linux. */
function mostMemoryMb(pid: number): number | undefined {
  const status = existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '';
  const kb = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
  return kb === undefined ? undefined : Math.round(Number(kb) / 1000);
}

/** Runs the target alone, warms it up, measures it, and stops it again. */
async function measure({ name, args, env, overload = 1 }: Target): Promise<Measured> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`${name} ended with ${code}`)));
      createInterface(child.stdout).on('line', (line) => {
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
        if (found) resolve(found[0]);
      });
    });
    const load = { url, connections: Number(options.connections) * overload, folder };
    await postEvents({ ...load, seconds: WARM_UP_SECONDS });
    const result = await postEvents({ ...load, seconds: Number(options.seconds) });
    return { ...result, mostMemoryMb: mostMemoryMb(child.pid!) };
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

async function createTopic(bootstrap: string, topic: string, partitions: number): Promise<void> {
  const admin = new Admin({ clientId: 'bench', bootstrapBrokers: [bootstrap] });
  await admin.createTopics({ topics: [topic], partitions, replicas: 1 });
  await admin.close();
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function summary({ name, results }: Target, limit: number) {
  const rates = results.map(({ requestsPerSecond }) => Math.round(requestsPerSecond));
  return {
    name,
    'min /s': Math.min(...rates),
    'median /s': median(rates),
    'max /s': Math.max(...rates),
    'of bare': Number((median(rates) / limit).toFixed(2)),
    'most MB': Math.max(...results.map(({ mostMemoryMb }) => mostMemoryMb ?? 0)) || undefined,
    'p50 ms': Number(median(results.map(({ p50Ms }) => p50Ms)).toFixed(2)),
    'p99 ms': Number(median(results.map(({ p99Ms }) => p99Ms)).toFixed(2)),
    failures: results.reduce((sum, { failures }) => sum + failures, 0),
  };
}

const folder = await mkdtemp(join(tmpdir(), 'footfall-bench-'));
// As root, PostgreSQL runs as a user of its own, who must get in.
await chmod(folder, 0o755);
const kafka = await KafkaServer.start({
  version: KAFKA_4,
  port: 0,
  dataDir: join(folder, 'kafka'),
  progress: (text) => console.error(text),
});
const postgres = await PostgresServer.start(join(folder, 'postgres'));
const service = {
  PORT: '0',
  KAFKA_BROKERS: kafka.bootstrap,
  DATABASE_URL: `${postgres.url}/postgres`,
  LOG_EVERY_NTH_EVENT: '0',
};
const bare = ['bench/bare-server.ts', kafka.bootstrap, 'bare', String(PARTITIONS)];
const targets: Target[] = [
  { name: 'bare node:http, same client and grouping', args: bare, env: {}, results: [] },
  {
    name: 'Footfall, ROLE=api',
    args: ['src/main.ts'],
    env: { ...service, ROLE: 'api', KAFKA_TOPIC: 'api' },
    results: [],
  },
  {
    name: 'Footfall, ROLE=api, 10 times the connections it admits',
    args: ['src/main.ts'],
    env: { ...service, ROLE: 'api', KAFKA_TOPIC: 'overload', MAX_IN_FLIGHT_REQUESTS: options.connections },
    results: [],
    overload: 10,
  },
  {
    name: 'Footfall, API + consumer + PostgreSQL',
    args: ['src/main.ts'],
    env: { ...service, KAFKA_TOPIC: 'all' },
    results: [],
  },
];
try {
  await createTopic(kafka.bootstrap, 'bare', PARTITIONS);
  for (let run = 1; run <= Number(options.runs); run++) {
    for (const target of targets) {
      const result = await measure(target);
      target.results.push(result);
      console.error(
        `run ${run}: ${target.name}: ${Math.round(result.requestsPerSecond)}/s (${result.generator})`,
      );
    }
  }
  const limit = median(targets[0]!.results.map(({ requestsPerSecond }) => requestsPerSecond));
  const rows = targets.map((target) => summary(target, limit));
  if (options.json) {
    const machine = { cores: availableParallelism(), node: process.version, kafka: KAFKA_4 };
    console.log(JSON.stringify({ date: new Date().toISOString(), machine, options, rows }, null, 2));
  } else {
    console.log(
      `\nSingle POST, acknowledged by Kafka (acks=all), ${options.connections} keep-alive connections, ${availableParallelism()} cores:`,
    );
    console.table(rows);
  }
} finally {
  await Promise.all([kafka.stop(), postgres.stop()]);
  await rm(folder, { recursive: true, force: true });
}
