import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createDatabase, PostgresServer } from '../../scripts/postgres-server.ts';
import { openAdapters } from '../../src/adapters.ts';
import { KAFKA_4 } from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import { loadConfig } from '../../src/config/config.ts';
import { Catalog } from '../../src/events/catalog.ts';
import { verify } from '../../src/operations/verify.ts';
import { openTransaction, SESSION_MS } from '../support/kafka-log.ts';
import { silentLogger } from '../support/logger.ts';
import { processed, serviceHere } from '../support/service.ts';

const brokers = inject('kafka4');
/** Asking costs the service something, too. */
const UNTIL = { interval: 200 };

interface Partition {
  partition: number;
  lag: number;
  heldBack: number;
  oldestWaiting: string | null;
  rewound: number;
  unaccounted: number;
}

async function freshGround(env: Record<string, string> = {}): Promise<Record<string, string>> {
  return {
    KAFKA_BROKERS: brokers!,
    KAFKA_TOPIC: `events-${randomUUID()}`,
    KAFKA_CONSUMER_GROUP: `group-${randomUUID()}`,
    KAFKA_CONSUMER_SESSION_TIMEOUT_MS: String(SESSION_MS),
    KAFKA_TOPIC_PARTITIONS: '1',
    LOG_EVERY_NTH_EVENT: '0',
    ...(env.DATABASE_URL ? {} : { DATABASE_URL: await createDatabase(inject('postgres')) }),
    ...env,
  };
}

/** Posts events that say who sent them and which they are. */
async function postMany(url: string, userId: string, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, n) => ({ userId, eventType: 'LOGIN', payload: { n } }));
  const response = await fetch(`${url}/events/batch`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(events),
  });
  expect(response.status).toBe(201);
}

/** How many events of each user are stored. */
async function storedBy(url: string): Promise<Record<string, number>> {
  const byUser = Map.groupBy(await processed(url), ({ userId }) => userId);
  return Object.fromEntries([...byUser].map(([userId, own]) => [userId, own.length]));
}

async function partitionsOf(url: string): Promise<Partition[]> {
  const body = (await (await fetch(`${url}/consumer-groups`)).json()) as {
    groups: { partitions: Partition[] }[];
  };
  return body.groups[0]!.partitions;
}

async function metric(url: string, name: string): Promise<number[]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].map(([, value]) =>
    Number(value),
  );
}

async function readiness(url: string) {
  const response = await fetch(`${url}/readyz`);
  const body = (await response.json()) as Record<
    'log' | 'store' | 'consumer',
    { ok: boolean; reason?: string }
  >;
  return { ...body, status: response.status };
}

async function sql(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(text);
  await client.end();
}

/** What `npm run verify` finds missing. */
async function missing(env: Record<string, string>) {
  const config = loadConfig(env);
  const { log, store, close } = await openAdapters(config, { logger: silentLogger });
  const { KAFKA_TOPIC: topic, KAFKA_CONSUMER_GROUP: group } = config;
  const found = await verify({
    log,
    store,
    catalog: new Catalog(),
    topic,
    group,
    from: 0,
    to: Number.POSITIVE_INFINITY,
  });
  await close();
  return { missing: found.missing, unaccounted: found.accounts.map(({ unaccounted }) => unaccounted) };
}

async function serverFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'footfall-back-'));
  // As root, PostgreSQL runs as a user of its own, who must get in.
  await chmod(folder, 0o755);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

// Left out only where there is no Java, and said so; with CI=true that is an error instead.
describe.skipIf(brokers === undefined)('when the database goes back in time', () => {
  it('stores again what the database has lost, by itself, also when nothing new comes in', async () => {
    const folder = await serverFolder();
    const [data, backup] = [join(folder, 'data'), join(folder, 'backup')];
    const postgres = await PostgresServer.start(data);
    onTestFinished(() => postgres.stop());
    const env = await freshGround({ DATABASE_URL: await createDatabase(postgres.url) });
    const { url } = await serviceHere(env);
    await postMany(url, 'before', 5);
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ before: 5 });
    await postgres.stop();
    execFileSync('cp', ['-a', data, backup]);
    await postgres.restart();
    await postMany(url, 'lost', 20);
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ before: 5, lost: 20 });
    await postgres.stop();
    execFileSync('rm', ['-rf', data]);
    execFileSync('mv', [backup, data]);
    await postgres.restart();
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ before: 5, lost: 20 });
    await postMany(url, 'after', 3);
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ before: 5, lost: 20, after: 3 });
    expect(await missing(env)).toEqual({ missing: [], unaccounted: [0] });
    expect((await readiness(url)).consumer).toEqual({ ok: true });
  });

  it.each([
    'truncate events, positions',
    'truncate events',
    'delete from positions',
    'update positions set next_offset = 1',
    'update positions set next_offset = null',
  ])('has everything once after: %s', async (text) => {
    const env = await freshGround();
    const { url } = await serviceHere(env);
    await postMany(url, 'u', 7);
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ u: 7 });
    await sql(env.DATABASE_URL!, text);
    await expect
      .poll(async () => (await metric(url, 'footfall_reading_restarts_total'))[0], UNTIL)
      .toBeGreaterThan(0);
    await expect
      .poll(async () => [await storedBy(url), (await partitionsOf(url))[0]!.lag], UNTIL)
      .toEqual([{ u: 7 }, 0]);
    await postMany(url, 'later', 2);
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ u: 7, later: 2 });
    expect(await (await fetch(`${url}/events/stats`)).json()).toMatchObject({ total: 9 });
    expect(await missing(env)).toEqual({ missing: [], unaccounted: [0] });
  });

  it('says that records were passed over when somebody moved the position forward, until it is moved back', async () => {
    const env = await freshGround();
    const first = await serviceHere(env);
    await postMany(first.url, 'u', 8);
    await expect.poll(() => storedBy(first.url), UNTIL).toEqual({ u: 8 });
    await first.stop();
    const api = await serviceHere({ ...env, ROLE: 'api' });
    await postMany(api.url, 'passed over', 6);
    await sql(env.DATABASE_URL!, 'update positions set next_offset = 14');
    const { url } = await serviceHere(env);
    await postMany(url, 'later', 1);
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ u: 8, later: 1 });
    const reason =
      'partition 0: the position was moved past 6 records that nobody processed: run "npm run verify"';
    for (const instance of [url, api.url]) {
      await expect
        .poll(async () => (await readiness(instance)).consumer, UNTIL)
        .toEqual({ ok: false, reason });
    }
    const found = await missing(env);
    expect(found.missing).toHaveLength(6);
    expect(found.unaccounted).toEqual([6]);
    await sql(env.DATABASE_URL!, 'update positions set next_offset = 8');
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ u: 8, later: 1, 'passed over': 6 });
    await expect.poll(async () => (await readiness(url)).consumer, UNTIL).toEqual({ ok: true });
    expect(await missing(env)).toEqual({ missing: [], unaccounted: [0] });
  });
});

// Left out only where there is no Java, and said so; with CI=true that is an error instead.
describe.skipIf(brokers === undefined)('when the log goes back in time', () => {
  it('reads what is in it now, although its offsets were used before, and says what is gone', async () => {
    const folder = await serverFolder();
    const [data, backup] = [join(folder, 'data'), join(folder, 'backup')];
    const kafka = await KafkaServer.start({ version: KAFKA_4, port: 0, dataDir: data });
    onTestFinished(() => kafka.stop());
    const env = await freshGround({ KAFKA_BROKERS: kafka.bootstrap });
    const first = await serviceHere(env);
    await postMany(first.url, 'both', 5);
    await expect.poll(() => storedBy(first.url), UNTIL).toEqual({ both: 5 });
    await first.stop();
    await kafka.stopBroker();
    execFileSync('cp', ['-a', data, backup]);
    await kafka.startBroker();
    const second = await serviceHere(env);
    await postMany(second.url, 'lost', 20);
    await expect.poll(() => storedBy(second.url), UNTIL).toEqual({ both: 5, lost: 20 });
    await second.stop();
    await kafka.stopBroker();
    execFileSync('rm', ['-rf', data]);
    execFileSync('mv', [backup, data]);
    await kafka.startBroker();
    const api = await serviceHere({ ...env, ROLE: 'api' });
    await postMany(api.url, 'written again', 25);
    const { url } = await serviceHere(env);
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ both: 5, lost: 20, 'written again': 25 });
    expect(await metric(url, 'footfall_log_rewound_records_total')).toEqual([20]);
    expect(await partitionsOf(url)).toMatchObject([{ lag: 0, rewound: 20, unaccounted: 0 }]);
    expect(await missing(env)).toEqual({ missing: [], unaccounted: [0] });
  });
});

// Left out only where there is no Java, and said so; with CI=true that is an error instead.
describe.skipIf(brokers === undefined)('the progress of processing', () => {
  it('goes on in each of two services of one group with different topics', async () => {
    const shared = { KAFKA_CONSUMER_GROUP: `group-${randomUUID()}`, KAFKA_TOPIC_PARTITIONS: '3' };
    const orders = await serviceHere(await freshGround(shared));
    const clicks = await serviceHere(await freshGround(shared));
    const users = ['a', 'b', 'c', 'd', 'e', 'f'];
    const all = Object.fromEntries(users.map((user) => [user, 1]));
    for (const { url } of [orders, clicks]) for (const user of users) await postMany(url, user, 1);
    for (const { url } of [orders, clicks]) await expect.poll(() => storedBy(url), UNTIL).toEqual(all);
  });

  it('is told of partitions that nobody with this store moves, also to an instance that does not consume', async () => {
    const env = await freshGround({ KAFKA_TOPIC_PARTITIONS: '3' });
    const one = await serviceHere(env);
    await expect.poll(async () => (await readiness(one.url)).consumer.ok, UNTIL).toBe(true);
    // Another database, the same group: each gets some of the partitions, and neither has them all.
    const other = await serviceHere({ ...env, DATABASE_URL: await createDatabase(inject('postgres')) });
    const api = await serviceHere({ ...env, ROLE: 'api' });
    await expect.poll(async () => (await readiness(other.url)).consumer.ok, UNTIL).toBe(true);
    for (const user of ['alice', 'dave', 'carol']) await postMany(one.url, user, 2);
    const reason = expect.stringMatching(/2 records wait, and no member of group ".+" has stored any/);
    for (const { url } of [one, other, api]) {
      await expect
        .poll(async () => (await readiness(url)).consumer, UNTIL)
        .toMatchObject({ ok: false, reason });
      expect((await fetch(`${url}/health`)).status).toBe(503);
      expect(
        (await metric(url, 'footfall_consumer_lag_records')).reduce((sum, lag) => sum + lag),
      ).toBeGreaterThan(0);
    }
  });

  it('shows what an open transaction of another producer holds back, and since when', async () => {
    const env = await freshGround();
    const { url } = await serviceHere(env);
    await postMany(url, 'before', 3);
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ before: 3 });
    const transaction = await openTransaction(brokers!, env.KAFKA_TOPIC!, 'not an event');
    await postMany(url, 'after', 5);
    expect(await partitionsOf(url)).toMatchObject([{ lag: 6, heldBack: 6 }]);
    await expect.poll(() => metric(url, 'footfall_consumer_lag_records'), UNTIL).toEqual([6]);
    expect(await metric(url, 'footfall_consumer_held_back_records')).toEqual([6]);
    await expect
      .poll(async () => (await readiness(url)).consumer, UNTIL)
      .toEqual({
        ok: false,
        reason: expect.stringMatching(/6 records are held back by an open transaction since 20\d\d-.+Z/),
      });
    expect((await partitionsOf(url))[0]!.oldestWaiting).toMatch(/^20\d\d-.+Z$/);
    expect((await metric(url, 'footfall_consumer_lag_seconds'))[0]).toBeGreaterThan(10);
    await transaction.abort();
    await expect.poll(() => storedBy(url), UNTIL).toEqual({ before: 3, after: 5 });
    await expect.poll(async () => (await readiness(url)).consumer, UNTIL).toEqual({ ok: true });
    await expect.poll(() => metric(url, 'footfall_consumer_lag_records'), UNTIL).toEqual([0]);
  });

  it('shows the lag while the database is away, and takes events meanwhile', async () => {
    const postgres = await PostgresServer.start(join(await serverFolder(), 'data'));
    const env = await freshGround({ DATABASE_URL: await createDatabase(postgres.url) });
    const api = await serviceHere({ ...env, ROLE: 'api' });
    await postMany(api.url, 'before', 2);
    // From here on no lag means that the events are known to be stored, and not that nobody has looked yet.
    await expect.poll(() => metric(api.url, 'footfall_consumer_lag_records'), UNTIL).toEqual([2]);
    const all = await serviceHere(env);
    await expect.poll(() => storedBy(api.url), UNTIL).toEqual({ before: 2 });
    for (const { url } of [all, api]) {
      await expect.poll(() => metric(url, 'footfall_consumer_lag_records'), UNTIL).toEqual([0]);
    }
    await postgres.stop();
    await postMany(api.url, 'meanwhile', 4);
    await postMany(all.url, 'meanwhile', 4);
    for (const { url } of [all, api]) {
      await expect.poll(() => metric(url, 'footfall_consumer_lag_records'), UNTIL).toEqual([8]);
      await expect
        .poll(() => readiness(url), UNTIL)
        .toMatchObject({
          status: 200,
          log: { ok: true },
          store: { ok: false, reason: expect.stringContaining('ECONNREFUSED') },
        });
      expect((await fetch(`${url}/health`)).status).toBe(503);
    }
    await postgres.restart();
    onTestFinished(() => postgres.stop());
    await expect.poll(() => storedBy(api.url), UNTIL).toEqual({ before: 2, meanwhile: 8 });
    for (const { url } of [all, api]) {
      await expect.poll(() => metric(url, 'footfall_consumer_lag_records'), UNTIL).toEqual([0]);
      await expect.poll(async () => (await fetch(`${url}/health`)).status, UNTIL).toBe(200);
    }
  });
});
