import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { createDatabase, PostgresServer } from '../../scripts/postgres-server.ts';
import { createKey } from '../../src/access/api-keys.ts';
import { KAFKA_4 } from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import { expectExactlyOnce, postLoad } from '../support/history.ts';
import { post, processed } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

const EVENT = { userId: 'user-123', eventType: 'LOGIN', payload: {} };
const HEALTHY = '{"status":"healthy","producer":"connected","consumer":"connected"}';
const NO_BROKER = '{"status":"degraded","producer":"disconnected","consumer":"disconnected"}';
const NO_STORE = '{"status":"degraded","producer":"connected","consumer":"disconnected"}';
/** The longest there is, and longer than any test waits: what shows in time did not wait for a session to end. */
const LONGEST_SESSION = { KAFKA_CONSUMER_SESSION_TIMEOUT_MS: '1800000' };
/** Reading all there is costs time that storing it needs. */
const SELDOM = { interval: 200 };

const brokers = inject('kafka4');

/** Settings of a group of instances with a topic, a group and a database of their own. */
async function freshGround(kafka: string): Promise<Record<string, string>> {
  return {
    KAFKA_BROKERS: kafka,
    KAFKA_TOPIC: `events-${randomUUID()}`,
    KAFKA_CONSUMER_GROUP: `group-${randomUUID()}`,
    KAFKA_CONSUMER_SESSION_TIMEOUT_MS: '6000',
    DATABASE_URL: await createDatabase(inject('postgres')),
    LOG_EVERY_NTH_EVENT: '0',
  };
}

async function untilStored(url: string, count: number): Promise<void> {
  await expect.poll(async () => (await processed(url)).length, SELDOM).toBeGreaterThanOrEqual(count);
}

/** Asks again while the answer is that the service has waited in vain, as long as it does. */
async function untilNoLonger(status: number, ask: () => Promise<Response>): Promise<Response> {
  const answer = await ask();
  return answer.status === status ? untilNoLonger(status, ask) : answer;
}

async function partitionsOf(service: ServiceProcess): Promise<string[]> {
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  return [...metrics.matchAll(/footfall_consumer_lag_records\{partition="(\d+)"\}/g)].map(
    (found) => found[1]!,
  );
}

// Left out only where there is no Java, and said so; with CI=true that is an error instead.
describe.skipIf(brokers === undefined)('the service on Apache Kafka and PostgreSQL', () => {
  it('says that an event is pending until another instance has stored it, and waits for that if asked', async () => {
    const env = await freshGround(brokers!);
    const api = await ServiceProcess.start({ ...env, ROLE: 'api' });
    const send = (wait: number) =>
      fetch(`${api.url}/events/generate?ack=stored`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Prefer: `wait=${wait}` },
        body: JSON.stringify(EVENT),
      });
    const early = await send(0);
    expect(early.status).toBe(202);
    const state = async (of: Response) =>
      ((await (await fetch(`${api.url}${of.headers.get('location')}`)).json()) as { state: string }).state;
    expect(await state(early)).toBe('pending');
    const waiting = untilNoLonger(202, () => send(30));
    await ServiceProcess.start({ ...env, ROLE: 'consumer' });
    const later = await waiting;
    expect(later.status).toBe(201);
    expect([await state(early), await state(later)]).toEqual(['stored', 'stored']);
  });

  it('keeps callers apart on whichever instance they are, also before either event is stored', async () => {
    const keys = ['shop', 'web', 'reader'].map((name) => createKey({ name, scopes: ['write', 'read'] }));
    const env = {
      ...(await freshGround(brokers!)),
      API_KEYS: JSON.stringify(keys.map(({ entry }) => entry)),
    };
    const [one, other] = await Promise.all([
      ServiceProcess.start({ ...env, ROLE: 'api' }),
      ServiceProcess.start({ ...env, ROLE: 'api' }),
    ]);
    const eventId = randomUUID();
    const send = async (url: string, caller: number, userId: string) => {
      const response = await post(url, { ...EVENT, userId, eventId }, { 'X-API-Key': keys[caller]!.key });
      return {
        status: response.status,
        repeated: response.headers.get('event-duplicate'),
        text: await response.text(),
      };
    };
    const forged = await send(one.url, 1, 'forged');
    const real = await send(other.url, 0, 'real');
    expect([forged.status, real.status, real.repeated]).toEqual([201, 201, null]);
    await ServiceProcess.start({ ...env, ROLE: 'consumer' });
    const headers = { 'X-API-Key': keys[2]!.key };
    const stored = async () =>
      (await (await fetch(`${one.url}/events/processed`, { headers })).json()) as { userId: string }[];
    await expect
      .poll(async () => (await stored()).map(({ userId }) => userId).sort())
      .toEqual(['forged', 'real']);
    expect(await send(one.url, 0, 'real')).toEqual({ ...real, repeated: 'same' });
    expect(await send(other.url, 1, 'real')).toMatchObject({ status: 409 });
  });

  it('processes what another client wrote, and is not stopped by its junk', async () => {
    const env = await freshGround(brokers!);
    const tools = await KafkaServer.tools(KAFKA_4);
    const service = await ServiceProcess.start(env);
    await expect.poll(async () => (await service.health()).body).toBe(HEALTHY);
    const foreign = {
      eventId: 'order-77',
      userId: 'u',
      eventType: 'LOGOUT',
      timestamp: '2024-02-14T10:30:00Z',
      payload: { n: 1 },
    };
    const lines = [
      'junk',
      '[]',
      '{"eventId":"x"}',
      JSON.stringify(foreign),
      '\u0000\u0001',
      JSON.stringify(foreign),
    ];
    await tools.tool(
      'org.apache.kafka.tools.ConsoleProducer',
      ['--bootstrap-server', brokers!, '--topic', env.KAFKA_TOPIC!],
      `${lines.join('\n')}\n`,
    );
    await post(service.url, EVENT);
    await untilStored(service.url, 2);
    const events = await processed(service.url);
    expect(events).toHaveLength(2);
    expect(events).toContainEqual(foreign);
    await expect
      .poll(async () =>
        (await (await fetch(`${service.url}/metrics`)).text()).match(
          /footfall_dead_letters_total\{.*\} \d+/g,
        ),
      )
      .toEqual([
        'footfall_dead_letters_total{reason="empty"} 0',
        'footfall_dead_letters_total{reason="not-json"} 2',
        'footfall_dead_letters_total{reason="invalid"} 2',
      ]);
  });

  it('shares the partitions among instances, and loses and doubles nothing when one is killed', async () => {
    const env = await freshGround(brokers!);
    const first = await ServiceProcess.start(env);
    const second = await ServiceProcess.start(env);
    let urls = [first.url];
    const load = postLoad(() => urls, 40, 400);
    await expect.poll(() => load.acked.length, { interval: 20 }).toBeGreaterThan(3000);
    const third = await ServiceProcess.start(env);
    urls = [first.url, third.url];
    await expect.poll(async () => (await partitionsOf(second)).length).toBeGreaterThan(0);
    await second.kill('SIGKILL');
    await load.done;
    expect(load.failures).toBe(0);
    await untilStored(first.url, load.acked.length);
    expectExactlyOnce(load.acked, await processed(first.url));
  });

  it('hands its partitions over when it stops, without waiting for a session to time out', async () => {
    const env = { ...(await freshGround(brokers!)), ...LONGEST_SESSION };
    const first = await ServiceProcess.start(env);
    await post(first.url, EVENT);
    await untilStored(first.url, 1);
    expect((await first.kill('SIGTERM')).code).toBe(0);
    const second = await ServiceProcess.start(env);
    await post(second.url, EVENT);
    await expect.poll(async () => (await processed(second.url)).length).toBe(2);
  });

  it('continues at once after a kill -9 when it has a name in its group', async () => {
    const env = { ...(await freshGround(brokers!)), ...LONGEST_SESSION, INSTANCE_ID: 'consumer-1' };
    const first = await ServiceProcess.start(env);
    await post(first.url, EVENT);
    await untilStored(first.url, 1);
    await first.kill('SIGKILL');
    const again = await ServiceProcess.start(env);
    await post(again.url, EVENT);
    await expect.poll(async () => (await processed(again.url)).length).toBe(2);
  });

  it('reads the whole topic again into a new database, whatever the group has committed', async () => {
    const env = await freshGround(brokers!);
    const first = await ServiceProcess.start(env);
    for (let number = 0; number < 5; number++) await post(first.url, EVENT);
    await untilStored(first.url, 5);
    await first.kill('SIGTERM');
    const again = await ServiceProcess.start({
      ...env,
      DATABASE_URL: await createDatabase(inject('postgres')),
    });
    await untilStored(again.url, 5);
    const inMemory = await ServiceProcess.start({
      ...env,
      DATABASE_URL: 'memory:',
      KAFKA_CONSUMER_GROUP: `group-${randomUUID()}`,
    });
    await untilStored(inMemory.url, 5);
  });

  it('recognises a topic that was deleted and created again, and takes none of its events for processed', async () => {
    const env = await freshGround(brokers!);
    const topic = env.KAFKA_TOPIC!;
    const service = await ServiceProcess.start({ ...env, KAFKA_PRODUCER_TIMEOUT_MS: '4000' });
    const before = postLoad(() => [service.url], 5, 20);
    await before.done;
    await untilStored(service.url, before.acked.length);
    const admin = new Admin({ clientId: 'operator', bootstrapBrokers: [brokers!] });
    onTestFinished(() => admin.close());
    await admin.deleteTopics({ topics: [topic] });
    await expect.poll(() => admin.listTopics()).not.toContain(topic);
    await admin.createTopics({ topics: [topic], partitions: 3, replicas: 1 });
    await expect.poll(async () => (await post(service.url, EVENT)).status, SELDOM).toBe(201);
    const after = postLoad(() => [service.url], 5, 20);
    await after.done;
    const acked = [...before.acked, ...after.acked];
    const ids = new Set(acked.map(({ eventId }) => eventId));
    const found = async () => (await processed(service.url)).filter(({ eventId }) => ids.has(eventId)).length;
    await expect.poll(found, SELDOM).toBe(ids.size);
    expectExactlyOnce(acked, await processed(service.url));
    await service.untilSaid(/The topic was recreated/);
  });

  it('divides the work between instances that answer and instances that process', async () => {
    const env = await freshGround(brokers!);
    const api = await ServiceProcess.start({ ...env, ROLE: 'api' });
    await post(api.url, EVENT);
    expect(await processed(api.url)).toEqual([]);
    const consumer = await ServiceProcess.start({ ...env, ROLE: 'consumer' });
    await untilStored(api.url, 1);
    for (const service of [api, consumer])
      await expect.poll(async () => (await service.health()).body).toBe(HEALTHY);
  });
});

// Left out only where there is no Java, and said so; with CI=true that is an error instead.
describe.skipIf(brokers === undefined)('the service without its dependencies', () => {
  let kafka: KafkaServer;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'footfall-retrier-'));
    kafka = await KafkaServer.start({ version: KAFKA_4, port: 0, dataDir: folder });
  });

  afterAll(async () => {
    await kafka.stop();
    await rm(folder, { recursive: true });
  });

  it('starts before Kafka does, and works as soon as it is there', async () => {
    await kafka.stopBroker();
    const service = await ServiceProcess.start(await freshGround(kafka.bootstrap));
    expect(await service.health()).toEqual({ status: 503, body: NO_BROKER });
    await kafka.startBroker();
    await expect.poll(() => service.health()).toEqual({ status: 200, body: HEALTHY });
    expect((await post(service.url, EVENT)).status).toBe(201);
    await untilStored(service.url, 1);
  });

  it.each([
    ['killed', () => kafka.kill(), () => kafka.startBroker()],
    ['frozen', async () => kafka.pause(), async () => kafka.resume()],
  ])('tells the truth while the broker is %s, and heals by itself', async (_how, breakIt, mendIt) => {
    const env = await freshGround(kafka.bootstrap);
    const service = await ServiceProcess.start(env);
    const impatient = { ROLE: 'api', KAFKA_PRODUCER_TIMEOUT_MS: '4000' };
    const api = await ServiceProcess.start({ ...env, ...impatient });
    const before = postLoad(() => [service.url], 5, 40);
    await before.done;
    await untilStored(service.url, before.acked.length);

    await breakIt();
    await expect.poll(() => service.health()).toEqual({ status: 503, body: NO_BROKER });
    const answer = await post(api.url, EVENT);
    expect([answer.status, await answer.text()]).toEqual([
      500,
      '{"success":false,"error":"Failed to publish event to Kafka"}',
    ]);
    expect(await processed(service.url)).toHaveLength(before.acked.length);

    await mendIt();
    await expect.poll(() => service.health()).toEqual({ status: 200, body: HEALTHY });
    const after = postLoad(() => [service.url], 5, 40);
    await after.done;
    expect(after.failures).toBe(0);
    const acked = [...before.acked, ...after.acked];
    await untilStored(service.url, acked.length);
    expectExactlyOnce(acked, await processed(service.url));
  });

  it('keeps taking events while PostgreSQL is away, and stores them when it is back', async () => {
    const folder = await tempFolder();
    await chmod(folder, 0o755);
    const postgres = await PostgresServer.start(join(folder, 'postgres'));
    try {
      const env = { ...(await freshGround(kafka.bootstrap)), DATABASE_URL: `${postgres.url}/postgres` };
      const service = await ServiceProcess.start(env);
      await post(service.url, EVENT);
      await untilStored(service.url, 1);
      await postgres.stop();
      await expect.poll(() => service.health()).toEqual({ status: 503, body: NO_STORE });
      const load = postLoad(() => [service.url], 5, 40);
      await load.done;
      expect(load.failures).toBe(0);
      await postgres.restart();
      await expect.poll(() => service.health()).toEqual({ status: 200, body: HEALTHY });
      await untilStored(service.url, 1 + load.acked.length);
      expectExactlyOnce(load.acked, await processed(service.url));
      expect(await processed(service.url)).toHaveLength(1 + load.acked.length);
    } finally {
      await postgres.stop();
    }
  });
});
