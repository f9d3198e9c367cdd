import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { ApiKeys, createKey } from '../../src/access/api-keys.ts';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { newTopic } from '../support/kafka-log.ts';
import { byHand, freshDatabase } from '../support/postgres.ts';
import { runCommand } from '../support/run-command.ts';
import { post, processed, serviceHere } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { damage, eventJson, processedFolder } from '../support/verify-ground.ts';

it('keys create makes a key that it shows once', async () => {
  const args = ['keys', 'create', '--name', 'shop', '--scope', 'write', 'read', '--events-per-second', '5'];
  const { code, stdout } = await runCommand(args);
  expect(code).toBe(0);
  const entry = JSON.parse(stdout) as object;
  expect(entry).toEqual({
    name: 'shop',
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    scopes: ['write', 'read'],
    eventsPerSecond: 5,
  });
  expect(new ApiKeys({ text: JSON.stringify([entry]) }).count).toBe(1);
});

it.each(['abc', '0', '-1', '0.5'])('keys create refuses a limit of %s events per second', async (limit) => {
  const args = ['keys', 'create', '--name', 'shop', '--scope', 'write', '--events-per-second', limit];
  const { code, stdout, stderr } = await runCommand(args);
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain('must be a whole number greater than 0');
});

it.each([
  [['--help'], 0, 'docs/configuration.md lists them'],
  [['check', '--help'], 0, 'Examples:'],
  [['--version'], 0, '0.1.0'],
  [['--prot=8080'], 2, "unknown option '--prot=8080'"],
  [['chek'], 2, 'Did you mean check?'],
  [['serve', 'now'], 2, 'too many arguments'],
])('footfall %s says something instead of starting', async (args, expected, said) => {
  const { code, stdout, stderr } = await runCommand(args);
  expect(code).toBe(expected);
  expect(stdout + stderr).toContain(said);
});

it.each([
  ['c', ['check', 'catalog', 'completion']],
  ['dead-letters ', ['list', 'show', 'redrive']],
  ['dead-letters list --j', ['--json']],
  ['query --order ', ['stored', '-stored', 'time', '-time']],
])('a shell completes "footfall %s"', async (line, expected) => {
  const { code, stdout } = await runCommand(['complete', '--', ...line.split(' ')]);
  expect(code).toBe(0);
  const offered = stdout.split('\n').flatMap((offer) => /^([\w-]+)\t/.exec(offer)?.[1] ?? []);
  expect(offered.filter((name) => name !== 'help')).toEqual(expect.arrayContaining(expected));
});

it('completion prints what bash reads', async () => {
  const { code, stdout } = await runCommand(['completion', 'bash']);
  expect(code).toBe(0);
  const defined = execFileSync('bash', ['-c', `${stdout}\ncomplete -p footfall`], { encoding: 'utf8' });
  expect(defined).toContain('__footfall_complete footfall');
});

it('footfall serve starts the service', async () => {
  const service = await ServiceProcess.spawn({}, undefined, ['serve']);
  await service.untilSaid(/answers on/);
  expect(await service.kill('SIGTERM')).toEqual({ code: 0, signal: null });
});

it('catalog check tells which stored events a new schema would refuse', async () => {
  const { url } = await serviceHere();
  for (const payload of [{ device: 'iPhone' }, {}, { device: 7 }]) {
    await post(url, { userId: 'u', eventType: 'LOGIN', payload: { note: 'a\nb', ...payload } });
  }
  await post(url, { userId: 'u', eventType: 'LOGOUT' });
  await expect.poll(async () => (await processed(url)).length).toBe(4);
  const schema = { type: 'object', properties: { device: { type: 'string' } } };
  const folder = await tempFolder();
  const check = async (file: string, content: object) => {
    await writeFile(join(folder, file), JSON.stringify(content));
    return runCommand(['catalog', 'check', join(folder, file), '--url', url]);
  };
  expect(await check('LOGIN.2.json', { 'x-mode': 'warn' })).toMatchObject({
    code: 0,
    stdout: '3 stored events of type LOGIN: 0 would have been refused\n',
  });
  const refused = await check('LOGIN.1.json', { ...schema, required: ['device'] });
  expect(refused.code).toBe(1);
  expect(refused.stdout).toMatch(
    / {2}\/payload must have required property 'device'\n.* {2}\/payload\/device must be string\n/,
  );
  expect(refused.stdout).toContain('3 stored events of type LOGIN: 2 would have been refused');
});

it('verify ends with 0 when nothing is missing, 1 when something is, 2 when it cannot say', async () => {
  const { folder, ids } = await processedFolder();
  const verify = (env: Record<string, string>, ...args: string[]) =>
    runCommand(['verify', ...args], { DATA_DIR: folder, ...env }, folder);
  expect(await verify({})).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Nothing is missing.'),
  });
  expect(await verify({}, '--from', 'yesterday')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is not a time'),
  });
  expect(await verify({ DATABASE_URL: 'memory:' })).toMatchObject({ code: 2 });
  damage(folder, `delete from events where json = '${eventJson(ids[1]!)}'`);
  const { code, stdout, stderr } = await verify({});
  expect(code).toBe(1);
  expect(stdout + stderr).toContain(`MISSING partition 0 offset 1 ${ids[1]}`);
});

it('migrate makes the tables of an empty database, and of none twice', async () => {
  const env = { DATABASE_URL: await freshDatabase() };
  const first = await runCommand(['migrate'], env);
  expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('database migrated') });
  const tables = "select tablename from pg_tables where schemaname = 'public' and tablename = 'events'";
  expect(await byHand(env.DATABASE_URL, tables)).toHaveLength(1);
  const second = await runCommand(['migrate'], env);
  expect(second).toMatchObject({ code: 0, stdout: 'The tables are as this version needs them: postgres\n' });
});

it('migrate says why it cannot', async () => {
  const { code, stderr } = await runCommand(['migrate'], {
    DATABASE_URL: 'postgres://u:secret@127.0.0.1:1/d',
  });
  expect(code).toBe(1);
  expect(stderr).toContain('ECONNREFUSED');
  expect(stderr).not.toContain('secret');
});

it('demo plays a shop: the last day first, then live, with everything that goes wrong', async () => {
  const service = await ServiceProcess.start();
  const demo = await ServiceProcess.spawn({ FOOTFALL_URL: service.url }, undefined, [
    'demo',
    '--rate',
    '0.1',
  ]);
  await demo.untilSaid(/About 0.1 events a second go to/);
  const total = async () => {
    const stats = (await (await fetch(`${service.url}/events/stats`)).json()) as { total: number };
    return stats.total;
  };
  await expect.poll(total).toBeGreaterThan(1000);
  const rejected = async () => (await fetch(`${service.url}/events/rejected`)).text();
  await expect.poll(rejected).toContain('LOGN');
  expect((await demo.kill('SIGINT')).signal).toBe('SIGINT');
  expect(demo.stderr).toBe('');
});

const brokers = inject('kafka4')!;
it.skipIf(brokers === undefined)('demo writes what is not an event into the topic of Kafka', async () => {
  const topic = newTopic();
  const env = { KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic, KAFKA_CONSUMER_GROUP: topic };
  const service = await ServiceProcess.start(env);
  const args = ['demo', '--no-history', '--url', service.url];
  await ServiceProcess.spawn(env, undefined, args);
  const deadLetters = async () => (await fetch(`${service.url}/dead-letters`)).text();
  await expect.poll(deadLetters).toContain(topic);
});

it('a command without a service says what to do', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const { code, stderr } = await runCommand(['demo', '--url', url]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/Nothing answers on http.* \(.*ECONNREFUSED.*\)\. Start Footfall first/);
});

it('a command with a key that is not enough says so', async () => {
  const { key, entry } = createKey({ name: 'shop', scopes: ['write'] });
  const service = await ServiceProcess.start({ API_KEYS: JSON.stringify([entry]) });
  const env = { FOOTFALL_URL: service.url, FOOTFALL_KEY: key };
  const { code, stderr } = await runCommand(['demo'], env);
  expect(code).toBe(1);
  expect(stderr).toContain('with --key or FOOTFALL_KEY');
  const help = await runCommand(['demo', '--help'], env);
  expect(help.stdout).toContain('(default: FOOTFALL_KEY)');
  expect(help.stdout).not.toContain(key);
});
