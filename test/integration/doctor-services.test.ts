import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { firstCode, firstFinding, type Patient, type Row } from '../support/doctor.ts';
import { appendIn } from '../support/embedded-log.ts';
import { newTopic, openTransaction } from '../support/kafka-log.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { byHand, freshDatabase, holdConnection } from '../support/postgres.ts';
import { post, serviceHere, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

const brokers = inject('kafka4')!;
const EVENT = { userId: 'carol', eventType: 'LOGIN' };

/** A service in an own folder, and the settings it has. */
async function running(env: Record<string, string> = {}, folder?: string) {
  const settings = { PORT: '0', DATA_DIR: folder ?? (await tempFolder()), ...env };
  const { url } = await serviceHere(settings);
  return { env: settings, url };
}

async function listening(server: ReturnType<typeof createServer>): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

async function at(url: string): Promise<Patient> {
  return { env: { DATA_DIR: await tempFolder() }, url };
}

const ADDRESSES: Row[] = [
  ['nobody answers', 'service_absent', async () => at(`http://127.0.0.1:${await freePort()}`)],
  [
    'another web server answers',
    'port_taken',
    async () => at(await listening(createHttpServer((_request, response) => response.end('Welcome')))),
  ],
  [
    'a program that speaks something else answers',
    'port_taken',
    async () => at(await listening(createServer((socket) => socket.end('220 smtp\r\n')))),
  ],
  [
    'something takes connections and says nothing',
    'service_silent',
    async () => at(await listening(createServer())),
  ],
  [
    'a Footfall hangs',
    'service_silent',
    async () => {
      const service = await ServiceProcess.start();
      service.signal('SIGSTOP');
      return at(service.url);
    },
  ],
  [
    'a Footfall wants a key',
    'key_needed',
    async () => {
      const { entry } = createKey({ name: 'shop', scopes: ['write'] });
      return running({ API_KEYS: JSON.stringify([entry]) });
    },
  ],
  [
    'a Footfall runs with other settings',
    'other_settings',
    async () => {
      const { url } = await running({ DATABASE_URL: 'memory:' });
      return at(url);
    },
  ],
];

const SENDERS: Row[] = [
  [
    'come with a key that is none',
    'keys_refused',
    async () => {
      const { key, entry } = createKey({ name: 'shop', scopes: ['read'] });
      const patient = await running({ API_KEYS: JSON.stringify([entry]) });
      await post(patient.url, EVENT, { Authorization: 'Bearer wrong' });
      return { ...patient, key };
    },
  ],
  [
    'send more than they may',
    'rate_limited',
    async () => {
      const patient = await running({ RATE_LIMIT_EVENTS_PER_SECOND: '1' });
      await Promise.all([post(patient.url, EVENT), post(patient.url, EVENT), post(patient.url, EVENT)]);
      return patient;
    },
  ],
  [
    'use one id for different events',
    'id_conflicts',
    async () => {
      const patient = await running();
      const eventId = '0190163d-8694-739b-aea5-966c26f8ad91';
      await post(patient.url, { ...EVENT, eventId });
      await post(patient.url, { ...EVENT, eventId, userId: 'dave' });
      return patient;
    },
  ],
];

const PROCESSING: Row[] = [
  [
    'what is not an event',
    'dead_letters',
    async () => {
      const folder = await tempFolder();
      await appendIn(folder, ['no event']);
      return running({}, folder);
    },
  ],
  [
    'a full disk',
    'disk_full',
    async () => {
      const folder = await tempFolder();
      const service = await ServiceProcess.start({ DATA_DIR: folder });
      service.limitFileSize(1000);
      return { env: { PORT: '0', DATA_DIR: folder }, url: service.url };
    },
  ],
  [
    'PostgreSQL away',
    'postgres_refused',
    async () => running({ DATABASE_URL: `postgres://u:p@127.0.0.1:${await freePort()}/d` }),
  ],
  [
    'a locked table',
    'postgres_locked',
    async () => {
      const url = await freshDatabase();
      const patient = await running({ DATABASE_URL: url });
      await store(patient.url, [EVENT]);
      const other = await holdConnection(url);
      await other.query('begin; lock table events');
      return patient;
    },
  ],
];

const ON_KAFKA: Row[] = [
  ['no consumers', 'no_consumer', async () => running({ ...(await kafkaAndPostgres()), ROLE: 'api' })],
  [
    'an open transaction of another producer',
    'held_back',
    async () => {
      const topic = newTopic();
      const env = { KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic, KAFKA_CONSUMER_GROUP: topic };
      const patient = await running({ ...env, DATABASE_URL: 'memory:' });
      await store(patient.url, [EVENT]);
      const transaction = await openTransaction(brokers, topic, 'waits');
      onTestFinished(() => transaction.abort());
      return patient;
    },
  ],
  [
    'records that the position has passed and nobody has counted',
    'position_moved',
    async () => {
      const env = await kafkaAndPostgres();
      const patient = await running(env);
      await store(
        patient.url,
        Array.from({ length: 30 }, () => EVENT),
      );
      await byHand(env.DATABASE_URL, 'update positions set stored = stored - 3 where stored >= 3');
      return patient;
    },
  ],
];

describe('the first line of the doctor names what is wrong with a running service', () => {
  it.each(ADDRESSES)('where %s', names);
  it.each(SENDERS)('whose senders %s', names);
  it.each(PROCESSING)('with %s', names);
  describe.skipIf(brokers === undefined)('on Kafka', () => {
    it.each(ON_KAFKA)('with %s', names);
  });
});

/** A running service notices a moment later. */
async function names(_what: string, code: string, breakIt: Row[2]): Promise<void> {
  const patient = await breakIt();
  await expect.poll(() => firstCode(patient)).toBe(code);
}

it('the doctor finds nothing wrong with a service that is well', async () => {
  const patient = await running();
  await store(patient.url, [EVENT]);
  await expect.poll(() => firstFinding(patient)).toBeUndefined();
});
