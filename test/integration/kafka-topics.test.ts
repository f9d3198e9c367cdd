import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AclOperations,
  type AclOperationValue,
  AclPermissionTypes,
  type AclPermissionTypeValue,
  Producer,
  ResourcePatternTypes,
  ResourceTypes,
  type ResourceTypeValue,
} from '@platformatic/kafka';
import { pino } from 'pino';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { KAFKA_3, KAFKA_4 } from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer, type KafkaServerOptions } from '../../src/cli/kafka/kafka-server.ts';
import { appendTo } from '../support/append.ts';
import { kafkaLogOptions, newTopic, openAdmin, openKafkaLog } from '../support/kafka-log.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { post, processed, serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

const brokers = inject('kafka4')!;
const EVENT = { userId: 'carol', eventType: 'LOGIN' };

// Left out only where there is no Java, and said so; with CI=true that is an error instead.
describe.skipIf(brokers === undefined)('a topic that is gone under the service', () => {
  it('is created again by itself, and what is posted then is stored', async () => {
    const topic = newTopic();
    const { url } = await serviceHere({
      KAFKA_BROKERS: brokers,
      KAFKA_TOPIC: topic,
      KAFKA_CONSUMER_GROUP: topic,
      DATABASE_URL: 'memory:',
    });
    await post(url, EVENT);
    await expect.poll(() => processed(url)).toHaveLength(1);
    const admin = openAdmin(brokers);
    await admin.deleteTopics({ topics: [topic, `${topic}.dlt`] });
    await expect.poll(async () => (await post(url, EVENT)).status).toBe(201);
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status).toBe(200);
    await expect.poll(async () => (await processed(url)).length).toBeGreaterThan(1);
    expect((await admin.listTopics()).filter((name) => name.startsWith(topic))).toEqual([
      topic,
      `${topic}.dlt`,
    ]);
  });
});

/** Takes the next ids the cluster gives to producers, and gives the latest. */
async function takeProducerIds(
  bootstrap: string,
  isEnough: (ids: number, latest: bigint) => boolean,
): Promise<bigint> {
  for (let ids = 1; ; ids++) {
    const producer = new Producer({ clientId: 'foreign', bootstrapBrokers: [bootstrap], idempotent: true });
    const { producerId } = await producer.initIdempotentProducer({});
    await producer.close();
    if (isEnough(ids, producerId)) return producerId;
    if (ids === 100) throw new Error(`the latest id is ${producerId}`);
  }
}

const VERSIONS: Omit<KafkaServerOptions, 'dataDir' | 'port'>[] = [
  { version: KAFKA_4 },
  { version: KAFKA_3, zookeeper: true },
];

describe.skipIf(brokers === undefined).each(VERSIONS)(
  'a broker that lost all it had ($version)',
  (server) => {
    /** Starts a broker, and gives what replaces it by one with an empty data directory on the same port. */
    async function brokerToWipe() {
      const dataDir = join(await tempFolder(), 'kafka');
      let broker = await KafkaServer.start({ ...server, port: 0, dataDir });
      onTestFinished(() => broker.stop());
      const wipe = async () => {
        const { port } = broker;
        await broker.stop();
        await rm(dataDir, { recursive: true });
        broker = await KafkaServer.start({ ...server, port, dataDir });
      };
      return { bootstrap: broker.bootstrap, wipe };
    }

    it('is written to again, and keeps every record it acknowledges', async () => {
      const broker = await brokerToWipe();
      const topic = newTopic();
      const record = (key: string) => ({ topic, key, value: 'x', headers: [] });
      const options = kafkaLogOptions(broker.bootstrap, topic);
      const [first, second] = [openKafkaLog(options), openKafkaLog(options)];
      await appendTo(first, [record('alice')]);
      const before = await takeProducerIds(broker.bootstrap, (ids) => ids === 10);
      await appendTo(second, [record('alice')]);
      await broker.wipe();
      const isWritten = async () => !((await first.append([record('alice')]))[0] instanceof Error);
      await expect.poll(isWritten).toBe(true);
      // The third one's producer gets the id that the second one's had of the cluster before.
      const third = openKafkaLog(options);
      await takeProducerIds(broker.bootstrap, (_ids, latest) => latest === before);
      const [fromThird] = await appendTo(third, [record('carol')]);
      const [fromSecond] = await appendTo(second, [record('carol')]);
      expect([fromThird!.offset, fromSecond!.offset]).toEqual([0, 1]);
    });
  },
);

describe.skipIf(brokers === undefined)('a service that may not create topics', () => {
  const anywhere = {
    host: '*',
    principal: 'User:ANONYMOUS',
    resourcePatternType: ResourcePatternTypes.LITERAL,
  };
  const acl = (
    resourceType: ResourceTypeValue,
    resourceName: string,
    operation: AclOperationValue,
    permissionType: AclPermissionTypeValue,
  ) => ({ ...anywhere, resourceType, resourceName, operation, permissionType });
  const { CLUSTER, TOPIC } = ResourceTypes;
  const { ALLOW, DENY } = AclPermissionTypes;
  const { ALL, CREATE, DESCRIBE_CONFIGS } = AclOperations;
  const denials = [
    acl(CLUSTER, 'kafka-cluster', CREATE, DENY),
    acl(TOPIC, '*', CREATE, DENY),
    acl(TOPIC, '*', DESCRIBE_CONFIGS, DENY),
  ];

  it('says which topic is missing and why, goes on once somebody has created it, and compares no settings', async () => {
    const broker = await KafkaServer.start({
      version: KAFKA_4,
      port: 0,
      dataDir: join(await tempFolder(), 'kafka'),
      settings: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'allow.everyone.if.no.acl.found': 'true',
      },
    });
    onTestFinished(() => broker.stop());
    const admin = openAdmin(broker.bootstrap);
    await admin.createTopics({ topics: ['g'], partitions: 1 });
    await admin.createAcls({
      creations: [acl(CLUSTER, 'kafka-cluster', ALL, ALLOW), acl(TOPIC, '*', ALL, ALLOW), ...denials],
    });
    const mayCreate = (attempt: number) =>
      admin.createTopics({ topics: [`attempt-${attempt}`], partitions: 1 }).then(
        () => true,
        () => false,
      );
    let attempt = 0;
    await expect.poll(() => mayCreate(attempt++)).toBe(false);
    const lines: string[] = [];
    const logger = pino({ level: 'debug' }, { write: (line) => lines.push(line) });
    const log = openKafkaLog({ ...kafkaLogOptions(broker.bootstrap, 'g'), logger });
    const failure = () =>
      log.ping(PATIENCE_MS).then(
        () => undefined,
        (error: Error) => error.message,
      );
    await expect
      .poll(failure)
      .toMatch(/^topic g.dlt is missing and may not be created: Topic authorization failed/);
    await admin.deleteAcls({ filters: denials.slice(0, 2) });
    await admin.createTopics({ topics: ['g.dlt'], partitions: 1 });
    await expect.poll(failure).toBeUndefined();
    expect(lines).toEqual([]);
  });
});
