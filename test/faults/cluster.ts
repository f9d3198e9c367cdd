import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findErrorBy } from '@platformatic/kafka';
import pg from 'pg';
import { PostgresServer } from '../../scripts/postgres-server.ts';
import { KAFKA_4 } from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import { Instance } from './instance.ts';
import type { TopicName } from './load.ts';
import { Past } from './past.ts';
import { currentTopicId, withAdmin } from './read-history.ts';
import { TcpProxy } from './tcp-proxy.ts';

export const TOPIC = 'events';
export const GROUP = 'group';
export const SESSION_TIMEOUT_MS = 6000;

/** A producer that pauses for a second is forgotten by the broker (F6). */
const ONE_BROKER = { 'producer.id.expiration.ms': '1000', 'producer.id.expiration.check.interval.ms': '500' };
const THREE_BROKERS = {
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  'broker.session.timeout.ms': '4000',
  'broker.heartbeat.interval.ms': '500',
};

/** A broker and what stands between it and its clients. */
interface Broker {
  server: KafkaServer;
  proxy: TcpProxy;
}

interface ClusterOptions {
  folder: string;
  brokers: 1 | 3;
  instances: number;
  mutation?: string | undefined;
}

/** Everything under test: a real Kafka and a real PostgreSQL, each behind a proxy, and instances of the service. */
export class Cluster {
  readonly folder: string;
  readonly brokers: readonly Broker[];
  readonly postgres: PostgresServer;
  readonly postgresProxy: TcpProxy;
  readonly instances: Instance[] = [];
  readonly #mutation: string | undefined;
  /** The topic as it is now; the plan may delete it, and then it is another one. */
  topic: TopicName = { id: '' };
  /** What was in the topic before the plan took it out. */
  readonly past = new Past();

  private constructor(
    { folder, mutation }: ClusterOptions,
    parts: Pick<Cluster, 'brokers' | 'postgres' | 'postgresProxy'>,
  ) {
    this.folder = folder;
    this.brokers = parts.brokers;
    this.postgres = parts.postgres;
    this.postgresProxy = parts.postgresProxy;
    this.#mutation = mutation;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const { folder, instances } = options;
    await mkdir(folder, { recursive: true });
    const [brokers, [postgres, postgresProxy]] = await Promise.all([
      startBrokers(options),
      behindProxy(() => PostgresServer.start(postgresFolder(folder))),
    ]);
    const cluster = new Cluster(options, { brokers, postgres, postgresProxy });
    for (let number = 1; number <= instances; number++) await cluster.addInstance();
    for (const instance of cluster.instances) while (!(await instance.ready())) await sleep(50);
    return cluster;
  }

  /** The first broker, which is also the controller. */
  get kafka(): KafkaServer {
    return this.brokers[0]!.server;
  }

  get kafkaProxy(): TcpProxy {
    return this.brokers[0]!.proxy;
  }

  get kafkaFolder(): string {
    return brokerFolder(this.folder, 1);
  }

  get postgresFolder(): string {
    return postgresFolder(this.folder);
  }

  /** `host:port` of each broker's proxy. */
  get bootstrap(): string[] {
    return this.brokers.map(({ proxy }) => `127.0.0.1:${proxy.port}`);
  }

  /** Starts one more instance of the group. */
  async addInstance(): Promise<Instance> {
    const instance = this.#newInstance(`instance-${this.instances.length + 1}`, {});
    this.instances.push(instance);
    await instance.start();
    return instance;
  }

  /** Starts a service with another topic and another database in the same group; whoever asks for it stops it. */
  async startForeign(topic: string): Promise<Instance> {
    const databases = await this.query('select 1 from pg_database where datname = $1', [topic]);
    if (databases.length === 0) await this.query(`create database ${topic}`);
    const foreign = this.#newInstance(topic, {
      KAFKA_TOPIC: topic,
      DATABASE_URL: `${this.postgres.url}/${topic}`,
    });
    await foreign.start();
    return foreign;
  }

  #newInstance(name: string, env: Record<string, string>): Instance {
    return new Instance({
      name,
      folder: this.folder,
      mutation: this.#mutation,
      env: {
        KAFKA_BROKERS: this.bootstrap.join(),
        KAFKA_TOPIC: TOPIC,
        KAFKA_CONSUMER_GROUP: GROUP,
        KAFKA_CONSUMER_SESSION_TIMEOUT_MS: String(SESSION_TIMEOUT_MS),
        KAFKA_PRODUCER_TIMEOUT_MS: '8000',
        DATABASE_URL: this.postgres.url.replace(/:\d+$/, `:${this.postgresProxy.port}/postgres`),
        LOG_EVERY_NTH_EVENT: '0',
        ...env,
      },
    });
  }

  async removeInstance(instance: Instance): Promise<void> {
    await instance.stop();
    this.instances.splice(this.instances.indexOf(instance), 1);
  }

  /** Where requests can be sent just now. */
  urls(): string[] {
    return this.instances.flatMap(({ answers, url }) => (answers ? [url!] : []));
  }

  /** Ends every connection of the service to the database. */
  async terminateBackends(): Promise<void> {
    await this.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'footfall'",
    );
  }

  /** Creates the topic, which was deleted, unless an instance has been faster; waits until it is another one. */
  async createTopicAnew(): Promise<void> {
    const before = this.topic.id;
    let id = before;
    while (id === before) {
      const isThere = await withAdmin(this, async (admin) => {
        if ((await admin.listTopics()).includes(TOPIC)) return true;
        try {
          await admin.createTopics({ topics: [TOPIC], partitions: 3, replicas: -1 });
        } catch (error) {
          if (findErrorBy(error as Error, 'apiId', 'TOPIC_ALREADY_EXISTS') === null) throw error;
        }
        return false;
      });
      if (isThere) id = await currentTopicId(this);
      await sleep(50);
    }
    this.topic = { id };
  }

  /** Asks the database itself, past the proxy. */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({
      connectionString: `${this.postgres.url}/postgres`,
      // Of two transactions in a deadlock, the one that notices first fails: always the service's, which has to go on.
      options: '-c deadlock_timeout=1h',
    });
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    for (const { proxy } of this.brokers) proxy.set('pass');
    this.postgresProxy.set('pass');
    await Promise.all(this.instances.map((instance) => instance.kill()));
    // The controller last: the others ask it for leave to stop.
    for (const { server } of this.brokers.toReversed()) await server.stop();
    await this.postgres.stop();
    await Promise.all(this.brokers.map(({ proxy }) => proxy.stop()));
    await this.postgresProxy.stop();
  }
}

function postgresFolder(folder: string): string {
  return join(folder, 'postgres');
}

function brokerFolder(folder: string, nodeId: number): string {
  return join(folder, `kafka-${nodeId}`);
}

/** Starts a server that is told its proxy's port. */
async function behindProxy<T extends { port: number }>(
  start: (proxyPort: number) => Promise<T>,
): Promise<[T, TcpProxy]> {
  let port = 0;
  const proxy = await TcpProxy.start(() => port);
  const server = await start(proxy.port);
  port = server.port;
  return [server, proxy];
}

async function startBrokers({ folder, brokers: count }: ClusterOptions): Promise<Broker[]> {
  const brokers: Broker[] = [];
  for (let nodeId = 1; nodeId <= count; nodeId++) {
    const controller = brokers[0]?.server;
    const [server, proxy] = await behindProxy((proxyPort) =>
      KafkaServer.start({
        version: KAFKA_4,
        port: 0,
        dataDir: brokerFolder(folder, nodeId),
        settings: {
          ...(count === 1 ? ONE_BROKER : THREE_BROKERS),
          // Clients are sent to the proxy, also by the broker itself.
          'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxyPort}`,
        },
        ...(controller && { joins: { server: controller, nodeId } }),
      }),
    );
    brokers.push({ server, proxy });
  }
  return brokers;
}
