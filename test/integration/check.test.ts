import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { newTopic, openAdmin } from '../support/kafka-log.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { byHand, createRole, freshDatabase, openStore } from '../support/postgres.ts';
import { runCommand } from '../support/run-command.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

interface Check {
  name: string;
  ok: boolean;
  detail: string;
}

async function check(env: Record<string, string>, folder?: string) {
  const { code, stdout } = await runCommand(['check', '--json'], env, folder);
  const { checks, warnings } = JSON.parse(stdout) as { checks: Check[]; warnings: string[] };
  const one = (name: string) => checks.find((found) => found.name === name)!;
  return { code, warnings, settings: one('settings'), log: one('log'), store: one('store') };
}

/** A port where something takes connections and never answers. */
async function silentPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

describe('footfall check', () => {
  it('finds nothing wrong in an empty folder, and leaves it empty', async () => {
    const folder = await tempFolder();
    const { code, stdout, stderr } = await runCommand(['check'], { KAFKA_ACKS: '1' }, folder);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^ok {4}settings .*\nok {4}log .*\nok {4}store .*\nwarn {2}settings .*KAFKA_ACKS\n$/,
    );
    expect(await readdir(folder)).toEqual([]);
  });

  it('says which settings are wrong, and ends with 2', async () => {
    const { code, settings } = await check({ KAFKA_BROKER: 'a:9092', PORT: 'x' });
    expect(code).toBe(2);
    expect(settings.detail).toMatch(/did you mean KAFKA_BROKERS\?.*\nPORT must be integer/);
  });

  it('names the command that prints the settings only if they are right', async () => {
    const wrong = await runCommand(['check'], { PORT: 'x' });
    expect(wrong.stdout).toMatch(/troubleshooting\.md says what to do\.\n$/);
    const unreachable = await runCommand(['check'], { DATA_DIR: '/dev/null' });
    expect(unreachable).toMatchObject({ code: 1, stdout: expect.stringMatching(/check --print\n$/) });
  });

  it.each([
    ['API_KEYS_FILE', '[{"name":"shop"}]', 'API keys'],
    ['EVENT_CATALOG', '', 'EVENT_CATALOG'],
  ])('reads what %s names', async (setting, content, said) => {
    const path = join(await tempFolder(), 'file');
    await writeFile(path, content);
    const { code, settings } = await check({ [setting]: path });
    expect(code).toBe(2);
    expect(settings.detail).toContain(said);
  });

  it('says that another process has the data, and ends with 1', async () => {
    const folder = await tempFolder();
    await ServiceProcess.start({}, folder);
    const { code, log, store } = await check({}, folder);
    expect(code).toBe(1);
    expect(log).toMatchObject({ ok: false, detail: expect.stringContaining('is in use by another process') });
    expect(store.ok).toBe(false);
  });

  it('says what does not answer, within five seconds each', async () => {
    const port = await silentPort();
    const { code, log, store } = await check({
      KAFKA_BROKERS: `127.0.0.1:${port}`,
      DATABASE_URL: `postgres://u:secret@127.0.0.1:${port}/d`,
    });
    expect(code).toBe(1);
    expect(log.ok || store.ok).toBe(false);
    expect(log.detail + store.detail).not.toContain('secret');
    expect(log.detail).toMatch(/no answer within 5000 ms|timed out/);
    expect(store.detail).toMatch(/no answer within 5000 ms|timed out|timeout/);
  });

  it('finds out whether PostgreSQL has the tables, and whether they may be made', async () => {
    const url = await freshDatabase();
    const { role, as } = await createRole(url);
    const empty = await check({ DATABASE_URL: url });
    expect(empty).toMatchObject({
      code: 0,
      store: { detail: expect.stringContaining('tables are missing') },
    });
    const tables = "select from pg_tables where schemaname = 'public'";
    expect(await byHand(url, tables)).toEqual([]);
    await byHand(url, 'revoke create on schema public from public');
    const refused = await check({ DATABASE_URL: as(url) });
    expect(refused).toMatchObject({
      code: 1,
      store: { ok: false, detail: expect.stringContaining(`GRANT CREATE ON SCHEMA "public" TO "${role}"`) },
    });
    await openStore(url).ping(PATIENCE_MS);
    const complete = await check({ DATABASE_URL: url });
    expect(complete).toMatchObject({ code: 0, store: { detail: 'PostgreSQL, tables in schema public' } });
    await byHand(url, `grant usage on schema public to ${role}`);
    const reader = await check({ DATABASE_URL: as(url) });
    expect(reader).toMatchObject({
      code: 1,
      store: { detail: expect.stringContaining('permission denied') },
    });
  });

  const brokers = inject('kafka4')!;
  it.skipIf(brokers === undefined)(
    'finds out whether Kafka has the topic, and does not create it',
    async () => {
      const topic = newTopic();
      const env = { KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic, DATABASE_URL: 'memory:' };
      const missing = await check(env);
      expect(missing).toMatchObject({
        code: 0,
        log: { detail: expect.stringContaining(`${topic} and ${topic}.dlt missing`) },
      });
      const admin = openAdmin(brokers);
      expect(await admin.listTopics()).not.toContain(topic);
      for (const name of [topic, `${topic}.dlt`]) {
        await admin.createTopics({ topics: [name], partitions: 1, replicas: 1 });
      }
      await expect
        .poll(async () => (await check(env)).log)
        .toEqual({ name: 'log', ok: true, detail: expect.stringContaining(`topic ${topic}, 0 members`) });
    },
  );
});

describe('footfall check --print', () => {
  it('shows each setting in force and its source, and no secret', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, '.env'), 'LOG_LEVEL=debug\nPORT=8080\nROLE=api\n');
    await writeFile(join(folder, 'url'), 'postgres://u:secret@h/d\n');
    const env = { PORT: '9090', ROLE: '', DATABASE_URL_FILE: 'url', API_KEYS: '[{"name":"secret"}]' };
    const { code, stdout } = await runCommand(['check', '--print'], env, folder);
    expect(code).toBe(0);
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/));
    expect(lines).toEqual(
      expect.arrayContaining([
        ['PORT', 'environment', '9090'],
        ['LOG_LEVEL', '.env', 'debug'],
        ['ROLE', 'default', 'all'],
        ['DATABASE_URL', 'file', '(secret, not shown)'],
        ['DATABASE_URL_FILE', 'environment', 'url'],
        ['API_KEYS', 'environment', '(secret, not shown)'],
        ['KAFKA_BROKERS', 'not set'],
      ]),
    );
    expect(stdout).not.toContain('secret@');
    const json = await runCommand(['check', '--print', '--json'], env, folder);
    expect(JSON.parse(json.stdout)).toContainEqual({
      name: 'PORT',
      value: 9090,
      isSecret: false,
      source: 'environment',
    });
  });

  it('says which settings are wrong, and ends with 2', async () => {
    expect(await runCommand(['check', '--print'], { PORT: 'x' })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('PORT must be integer'),
    });
  });
});
