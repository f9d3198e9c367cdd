import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { KAFKA_4 } from '../../scripts/kafka-jars.ts';
import { KafkaServer } from '../../scripts/kafka-server.ts';
import { PostgresServer } from '../../scripts/postgres-server.ts';
import { Instance } from './instance.ts';
import { TcpProxy } from './tcp-proxy.ts';

export const TOPIC = 'events';
export const GROUP = 'group';
export const SESSION_TIMEOUT_MS = 6000;

/** Everything under test: a real Kafka and a real PostgreSQL, each behind a proxy, and instances of the service. */
export class Cluster {
  readonly folder: string;
  readonly kafka: KafkaServer;
  readonly kafkaProxy: TcpProxy;
  readonly postgres: PostgresServer;
  readonly postgresProxy: TcpProxy;
  readonly instances: Instance[] = [];
  readonly #mutation: string | undefined;

  private constructor(parts: {
    folder: string;
    kafka: KafkaServer;
    kafkaProxy: TcpProxy;
    postgres: PostgresServer;
    postgresProxy: TcpProxy;
    mutation: string | undefined;
  }) {
    this.folder = parts.folder;
    this.kafka = parts.kafka;
    this.kafkaProxy = parts.kafkaProxy;
    this.postgres = parts.postgres;
    this.postgresProxy = parts.postgresProxy;
    this.#mutation = parts.mutation;
  }

  static async start(folder: string, instances: number, mutation?: string): Promise<Cluster> {
    await mkdir(folder, { recursive: true });
    const ports = { kafka: 0, postgres: 0 };
    const kafkaProxy = await TcpProxy.start(() => ports.kafka);
    const postgresProxy = await TcpProxy.start(() => ports.postgres);
    const [kafka, postgres] = await Promise.all([
      KafkaServer.start({
        version: KAFKA_4,
        port: 0,
        dataDir: join(folder, 'kafka'),
        // Clients are sent to the proxy, also by the broker itself.
        settings: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${kafkaProxy.port}` },
      }),
      PostgresServer.start(join(folder, 'postgres')),
    ]);
    ports.kafka = kafka.port;
    ports.postgres = postgres.port;
    const cluster = new Cluster({ folder, kafka, kafkaProxy, postgres, postgresProxy, mutation });
    for (let number = 1; number <= instances; number++) await cluster.addInstance();
    for (const instance of cluster.instances) while (!(await instance.ready())) await sleep(50);
    return cluster;
  }

  /** Starts one more instance of the group. */
  async addInstance(): Promise<Instance> {
    const instance = new Instance({
      name: `instance-${this.instances.length + 1}`,
      folder: this.folder,
      mutation: this.#mutation,
      env: {
        KAFKA_BROKERS: `127.0.0.1:${this.kafkaProxy.port}`,
        KAFKA_TOPIC: TOPIC,
        KAFKA_CONSUMER_GROUP: GROUP,
        KAFKA_CONSUMER_SESSION_TIMEOUT_MS: String(SESSION_TIMEOUT_MS),
        KAFKA_PRODUCER_TIMEOUT_MS: '8000',
        DATABASE_URL: this.postgres.url.replace(/:\d+$/, `:${this.postgresProxy.port}/postgres`),
        LOG_EVERY_NTH_EVENT: '0',
      },
    });
    this.instances.push(instance);
    await instance.start();
    return instance;
  }

  async removeInstance(instance: Instance): Promise<void> {
    await instance.stop();
    this.instances.splice(this.instances.indexOf(instance), 1);
  }

  /** Where requests can be sent just now. */
  urls(): string[] {
    return this.instances.flatMap(({ answers, url }) => (answers ? [url!] : []));
  }

  /** Asks the database itself, past the proxy. */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: `${this.postgres.url}/postgres` });
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    this.kafkaProxy.set('pass');
    this.postgresProxy.set('pass');
    await Promise.all(this.instances.map((instance) => instance.kill()));
    await Promise.all([this.kafka.stop(), this.postgres.stop()]);
    await Promise.all([this.kafkaProxy.stop(), this.postgresProxy.stop()]);
  }
}
