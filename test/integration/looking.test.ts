import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { KAFKA_4 } from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import { openSqliteFile } from '../../src/sqlite/sqlite-file.ts';
import { appendIn } from '../support/embedded-log.ts';
import { openAdmin } from '../support/kafka-log.ts';
import { byHand, freshDatabase } from '../support/postgres.ts';
import { runCommand } from '../support/run-command.ts';
import { post, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { damage, processedFolder } from '../support/verify-ground.ts';

/** Commands that ask the log and the store themselves. */
const OWN_LOOKS = [
  ['positions', 'show'],
  ['positions', 'reset', '--to-earliest'],
  ['verify'],
  ['check'],
  ['doctor'],
];

/** Commands that ask a running service. */
const SERVICE_LOOKS = [
  ['stats'],
  ['query', '--limit', '3'],
  ['tail', '--after', '0', '--limit', '3'],
  ['groups'],
  ['dead-letters', 'list'],
  ['dead-letters', 'show', '1'],
  ['catalog', 'check', 'LOGIN.1.json'],
];

const isHere = inject('kafka4') !== undefined;
let kafka: KafkaServer | undefined;
let dataDir: string;

// Its own: on that of all tests, the groups of others come and go.
beforeAll(async () => {
  if (!isHere) return;
  dataDir = await mkdtemp(join(tmpdir(), 'footfall-'));
  kafka = await KafkaServer.start({ version: KAFKA_4, port: 0, dataDir });
});
afterAll(async () => {
  await kafka?.stop();
  if (isHere) await rm(dataDir, { recursive: true, force: true });
});

/** What an operator would find changed: topics, groups, tables with their columns and indexes, and positions. */
async function stateOf(env: { KAFKA_BROKERS: string; DATABASE_URL: string }) {
  const admin = openAdmin(env.KAFKA_BROKERS);
  const [{ there }] = (await byHand<{ there: boolean }>(
    env.DATABASE_URL,
    "select to_regclass('positions') is not null as there",
  )) as [{ there: boolean }];
  return {
    topics: (await admin.listTopics()).toSorted(),
    groups: [...(await admin.listGroups()).keys()].toSorted(),
    tables: await byHand(
      env.DATABASE_URL,
      `select c.relname, c.relkind, array(select attname from pg_attribute where attrelid = c.oid and attnum > 0) as columns
       from pg_class c where c.relnamespace = 'public'::regnamespace order by 1`,
    ),
    positions: there ? await byHand(env.DATABASE_URL, 'select * from positions order by 1, 2, 3, 4') : [],
  };
}

/** Everything about the files of a folder that a look could change. */
async function filesOf(folder: string) {
  // A killed process leaves a journal beside its lock, which the next one that takes the lock removes.
  const names = (await readdir(folder)).filter((name) => name !== 'footfall.db.lock-journal').toSorted();
  return Promise.all(
    names.map(async (name) => {
      const { mode, mtimeMs, ctimeMs } = await stat(join(folder, name));
      const content = createHash('sha256')
        .update(await readFile(join(folder, name)))
        .digest('hex');
      return { name, mode, mtimeMs, ctimeMs, content };
    }),
  );
}

async function onKafkaAndPostgres() {
  return { KAFKA_BROKERS: kafka!.bootstrap, DATABASE_URL: await freshDatabase(), PORT: '1' };
}

describe.runIf(isHere)('a command that only looks at Kafka and PostgreSQL', () => {
  it('says that nothing is there yet, and makes nothing', async () => {
    const env = { ...(await onKafkaAndPostgres()), KAFKA_TOPIC: 'nobody-has-made-it' };
    const before = await stateOf(env);
    for (const args of OWN_LOOKS.slice(0, 3)) {
      const { code, stderr } = await runCommand(args, env);
      expect(code).toBeGreaterThan(0);
      expect(stderr).toMatch(/topic nobody-has-made-it is missing|schema public has no tables of Footfall/);
    }
    expect(await stateOf(env)).toEqual(before);
    expect(before.tables).toEqual([]);
  });

  it('leaves topics, groups and tables as they are, beside the service and without it', async () => {
    const env = await onKafkaAndPostgres();
    const service = await ServiceProcess.start({ ...env, PORT: '0' });
    await store(
      service.url,
      Array.from({ length: 9 }, (_, user) => ({ userId: `u${user}`, eventType: 'LOGIN' })),
    );
    const here = await tempFolder();
    await writeFile(join(here, 'LOGIN.1.json'), '{}');
    const before = await stateOf(env);
    expect(before.groups).toEqual(['user-activity-consumer-group']);
    // One after the other: some of them give a question five seconds.
    for (const args of SERVICE_LOOKS) {
      const { code, stderr } = await runCommand(args, { FOOTFALL_URL: service.url }, here);
      // There is no dead letter to show.
      expect({ args, code, stderr }).toMatchObject({ code: args[1] === 'show' ? 1 : 0 });
    }
    for (const args of OWN_LOOKS) {
      expect({ args, ...(await runCommand(args, env)) }).toMatchObject({ code: 0 });
    }
    expect(await stateOf(env)).toEqual(before);
    await service.kill('SIGTERM');
    await byHand(env.DATABASE_URL, 'drop index events_by_hour');
    const alone = await stateOf(env);
    for (const args of OWN_LOOKS.slice(0, 3)) {
      expect({ args, ...(await runCommand(args, env)) }).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(args[0] === 'verify' ? '9 stored' : 'partition'),
      });
    }
    expect(await stateOf(env)).toEqual(alone);
  });

  it('says that tables are of an earlier version, and does not change them', async () => {
    const env = await onKafkaAndPostgres();
    expect((await runCommand(['migrate'], env)).code).toBe(0);
    await byHand(env.DATABASE_URL, "delete from footfall_migrations where name = '0008_ranges'");
    const before = await stateOf(env);
    for (const args of OWN_LOOKS.slice(0, 3)) {
      const { code, stderr } = await runCommand(
        [...args, ...(args[1] === 'reset' ? ['--execute'] : [])],
        env,
      );
      expect(code).toBeGreaterThan(0);
      expect(stderr).toContain(
        'the tables in schema public are of an earlier version (they lack 0008_ranges), and a command that only looks leaves them so: run "footfall migrate"',
      );
      expect(await stateOf(env)).toEqual(before);
    }
  });
});

describe('a command that only looks at files', () => {
  it('leaves them as they are, and what is beside them', async () => {
    const { folder } = await processedFolder();
    await chmod(join(folder, 'footfall.db'), 0o640);
    const before = await filesOf(folder);
    for (const args of OWN_LOOKS) {
      expect({ args, ...(await runCommand(args, { DATA_DIR: folder })) }).toMatchObject({ code: 0 });
      expect(await filesOf(folder)).toEqual(before);
    }
  });

  it('counts what a killed process has left beside the file', async () => {
    const folder = await tempFolder();
    const service = await ServiceProcess.start({ DATA_DIR: folder });
    await post(service.url, { userId: 'u', eventType: 'LOGIN' });
    await store(service.url, [{ userId: 'u', eventType: 'LOGOUT' }]);
    await service.kill('SIGKILL');
    const before = await filesOf(folder);
    expect(before.map(({ name }) => name)).toContain('footfall.db-wal');
    expect(await runCommand(['verify'], { DATA_DIR: folder })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/2 records = \d stored/),
    });
    const after = await filesOf(folder);
    expect(after.map(({ name, content }) => [name, content])).toEqual(
      before.map(({ name, content }) => [name, name.endsWith('-shm') ? expect.anything() : content]),
    );
  });

  it.each([
    ['are missing', "delete from schema_versions where name = 'store'"],
    ['are of an earlier version (1 of', "update schema_versions set version = 1 where name = 'store'"],
  ])('says that tables %s, and leaves them so', async (state, damaged) => {
    const { folder } = await processedFolder();
    damage(folder, damaged);
    const before = await filesOf(folder);
    for (const args of OWN_LOOKS.slice(0, 3)) {
      const { stderr } = await runCommand(args, { DATA_DIR: folder });
      expect(stderr).toContain(`The tables of the store ${state}`);
      expect(await filesOf(folder)).toEqual(before);
    }
  });

  it('says that the topic is missing, and makes none', async () => {
    const { folder } = await processedFolder();
    const env = { DATA_DIR: folder, KAFKA_TOPIC: 'other' };
    const before = await filesOf(folder);
    for (const args of OWN_LOOKS.slice(0, 3)) {
      expect((await runCommand(args, env)).stderr).toContain('topic other is missing');
      expect(await filesOf(folder)).toEqual(before);
    }
    await appendIn(folder, ['junk'], { topic: 'other' });
    expect((await runCommand(['positions', 'show'], env)).code).toBe(0);
  });

  it('leaves a file to the process that has it', async () => {
    const { folder } = await processedFolder();
    const file = openSqliteFile(join(folder, 'footfall.db'));
    expect((await runCommand(['positions', 'show'], { DATA_DIR: folder })).stderr).toContain(
      'is in use by another',
    );
    file.close();
  });
});
