import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { Admin } from '@platformatic/kafka';
import pg from 'pg';
import { pino } from 'pino';
import { type StartedPostgres, startPostgresOf } from '../scripts/postgres-of-folder.ts';
import { createDatabase, PostgresServer } from '../scripts/postgres-server.ts';
import { KAFKA_4 } from '../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../src/cli/kafka/kafka-server.ts';

export const PARTITIONS = 3;
/** Stores that outlive their process. */
export const STORE_KINDS = ['SQLite', 'PostgreSQL'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];

export const silent = pino({ level: 'silent' });

/** Options of the bench, as numbers. */
export interface BenchOptions {
  runs: number;
  seconds: number;
  /** In stores and backlogs. */
  events: number;
  /** Requests a second, where they come at a fixed rate. */
  rate: number;
  peers: Peer[];
}

/** Something others would use instead, run beside. */
export interface Peer {
  name: string;
  /** Where it answers `POST /events/generate`. */
  url: string;
  command: string;
}

/** A process that is measured, and where it answers. */
export interface Measured {
  url: string;
  /** Milliseconds from its start until it said where it answers. */
  startMs: number;
  /** Resident memory in MB: now, and the most there has been; 0 where the system does not say. */
  memory(): { now: number; most: number };
  /** CPU time it has taken so far, in milliseconds; 0 where the system does not say. */
  cpuMs(): number;
  stop(): Promise<void>;
}

interface GroundOptions {
  kafkaPort: number;
  /** Folder for CPU profiles of Footfall. */
  profile?: string | undefined;
  /** Another PostgreSQL than that of the tests: a folder of its programs, or its address without a database name. */
  postgres?: string | undefined;
}

/** Real servers in a folder of their own, started when first asked for. */
export class TestCluster {
  readonly folder: string;
  readonly #kafkaPort: number;
  readonly #profiles: string | undefined;
  readonly #postgresAt: string | undefined;
  #kafka: Promise<KafkaServer> | undefined;
  #postgres: Promise<StartedPostgres> | undefined;
  readonly #databases: string[] = [];

  private constructor(folder: string, { kafkaPort, profile, postgres }: GroundOptions) {
    this.folder = folder;
    this.#kafkaPort = kafkaPort;
    this.#profiles = profile;
    this.#postgresAt = postgres;
  }

  static async make(options: GroundOptions): Promise<TestCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'footfall-bench-'));
    // As root, PostgreSQL runs as a user of its own, who must get in.
    await chmod(folder, 0o755);
    return new TestCluster(folder, options);
  }

  kafka(): Promise<KafkaServer> {
    this.#kafka ??= KafkaServer.start({
      version: KAFKA_4,
      port: this.#kafkaPort,
      dataDir: join(this.folder, 'kafka'),
      progress: (text) => console.error(text),
    });
    return this.#kafka;
  }

  /** A new topic. @returns its name */
  async topic(name: string, partitions = PARTITIONS): Promise<string> {
    const { bootstrap } = await this.kafka();
    const admin = new Admin({ clientId: 'bench', bootstrapBrokers: [bootstrap] });
    await admin.createTopics({ topics: [name], partitions, replicas: 1 });
    await admin.close();
    return name;
  }

  /** An empty database. @returns its address */
  async database(): Promise<string> {
    this.#postgres ??= this.#startPostgres();
    const url = await createDatabase((await this.#postgres).url);
    this.#databases.push(url);
    return url;
  }

  async #startPostgres(): Promise<StartedPostgres> {
    const folder = join(this.folder, 'postgres');
    const given = this.#postgresAt;
    if (given === undefined) return PostgresServer.start(folder);
    if (!given.includes('://')) return startPostgresOf(given, folder);
    return { url: given.replace(/\/$/, ''), stop: async () => {} };
  }

  /** What was measured before must not cost what comes next: its databases are gone, and what was written is on disk. */
  async settle(): Promise<void> {
    const postgres = await this.#postgres;
    if (postgres !== undefined) {
      const client = new pg.Client(`${postgres.url}/postgres`);
      await client.connect();
      for (const url of this.#databases.splice(0)) {
        await client.query(
          `drop database ${pg.escapeIdentifier(new URL(url).pathname.slice(1))} with (force)`,
        );
      }
      await client.query('checkpoint');
      await client.end();
    }
    await promisify(execFile)('sync');
  }

  /** Settings for this topic, its own group and an empty database. */
  async kafkaAndPostgres(topic: string): Promise<Record<string, string>> {
    const { bootstrap } = await this.kafka();
    return {
      KAFKA_BROKERS: bootstrap,
      KAFKA_TOPIC: topic,
      KAFKA_CONSUMER_GROUP: topic,
      DATABASE_URL: await this.database(),
    };
  }

  /** Starts Footfall with these settings. */
  footfall(env: Record<string, string>, nodeArguments: readonly string[] = []): Promise<Measured> {
    const profiling = this.#profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${this.#profiles}`];
    return startNode([...profiling, ...nodeArguments, 'src/main.ts'], env);
  }

  async remove(): Promise<void> {
    await Promise.all([
      this.#kafka?.then((kafka) => kafka.stop()),
      this.#postgres?.then((one) => one.stop()),
    ]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Starts a Node program that says where it answers. */
export async function startNode(args: string[], env: Record<string, string> = {}): Promise<Measured> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, PORT: '0', LOG_EVERY_NTH_EVENT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}`)));
    createInterface(child.stdout).on('line', (line) => {
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
      if (found) resolve(found[0]);
    });
  });
  const startMs = performance.now() - startedAt;
  return { url, startMs, ...lookAt(child), stop: () => stop(child) };
}

/** What `GET /consumer-groups` says of each partition. */
export interface PartitionState {
  stored: number;
  lag: number | null;
}

export async function partitionStates({ url }: Pick<Measured, 'url'>): Promise<PartitionState[]> {
  const response = await fetch(`${url}/consumer-groups`);
  const { groups } = (await response.json()) as { groups: { partitions: PartitionState[] }[] };
  return groups[0]!.partitions;
}

/** Starts a peer and waits until something answers at its address. */
export async function startPeer(
  { name, url, command }: Peer,
  env: Record<string, string>,
): Promise<Measured> {
  const startedAt = performance.now();
  // The peer in place of the shell: a signal must reach it.
  const child = spawn(`exec ${command}`, {
    shell: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  while (
    !(await fetch(url).then(
      () => true,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url,
    startMs: performance.now() - startedAt,
    ...lookAt(child),
    stop: () => stop(child),
  };
}

function lookAt(child: ChildProcess): Pick<Measured, 'memory' | 'cpuMs'> {
  return { memory: () => memoryOf(child), cpuMs: () => cpuMsOf(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  await ended;
}

/** A process and those it has started. */
function withChildren({ pid }: ChildProcess): string[] {
  const children = readProc(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean);
  return [String(pid), ...children];
}

function memoryOf(child: ChildProcess): { now: number; most: number } {
  const mb = (name: string) =>
    withChildren(child)
      .map((one) =>
        Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readProc(`/proc/${one}/status`))?.[1] ?? 0),
      )
      .reduce((sum, kb) => sum + Math.round(kb / 1000), 0);
  return { now: mb('VmRSS'), most: mb('VmHWM') };
}

/** Of a tick of `/proc/PID/stat`: 100 a second on every Linux that Node runs on. */
const TICK_MS = 10;

function cpuMsOf(child: ChildProcess): number {
  return withChildren(child).reduce((sum, pid) => {
    // After the name, which may contain anything: state is the first field, user and system time the 12th and 13th.
    const fields = readProc(`/proc/${pid}/stat`).split(') ').at(-1)!.split(' ');
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MS;
  }, 0);
}

function readProc(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
