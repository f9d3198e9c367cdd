import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { CuttableNetwork } from '../support/cuttable-network.ts';
import { appendIn } from '../support/embedded-log.ts';
import { FlakyNetwork } from '../support/flaky-network.ts';
import { runCommand } from '../support/run-command.ts';
import { post, processed, serviceHere } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { eventJson } from '../support/verify-ground.ts';

const LOGIN = { userId: 'user-1', eventType: 'LOGIN', payload: { device: 'iPhone' } };

/** A service with these events stored. */
async function serviceWith(...events: object[]) {
  const { url } = await serviceHere();
  for (const event of events) await post(url, event);
  await expect.poll(async () => (await processed(url)).length).toBe(events.length);
  return { url, env: { FOOTFALL_URL: url } };
}

function usersIn(text: string): string[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => (JSON.parse(line) as { userId: string }).userId);
}

describe('footfall send', () => {
  it('sends one event', async () => {
    const { url, env } = await serviceWith();
    const args = ['send', '--user', 'user-1', '--type', 'LOGIN', '--payload', '{"device":"iPhone"}'];
    expect(await runCommand(args, env)).toMatchObject({
      code: 0,
      stdout: '1 event recorded, 0 rejected\n',
      stderr: '',
    });
    await expect.poll(() => processed(url)).toMatchObject([LOGIN]);
  });

  it('sends a file, byte for byte, and says which lines were rejected', async () => {
    const { url, env } = await serviceWith();
    const file = join(await tempFolder(), 'events.ndjson');
    const event = '{"userId":"user-1","eventType":"LOGIN","payload":{"big":12345678901234567890}}';
    const lines = Array.from({ length: 1200 }, () => event);
    await writeFile(file, ['', ...lines, '{"userId":"user-1"}', '{"us', event].join('\n'));
    const { code, stdout, stderr } = await runCommand(['send', file], env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '1201 events recorded, 2 rejected\n' });
    expect(stderr).toMatch(/^line 1202: eventType .*\nline 1203: .*\n$/);
    await expect.poll(async () => (await processed(url)).length).toBe(1201);
    expect(await (await fetch(`${url}/events/processed?limit=1`)).text()).toContain('12345678901234567890');
  });

  it('records each event once on a network that loses answers', async () => {
    const { url } = await serviceWith();
    const network = await FlakyNetwork.start(url);
    const file = join(await tempFolder(), 'events.ndjson');
    await writeFile(file, `${JSON.stringify(LOGIN)}\n`.repeat(3000));
    expect(await runCommand(['send', file, '--url', network.url])).toMatchObject({
      code: 0,
      stdout: '3000 events recorded, 0 rejected\n',
    });
    expect(network.lostAnswers).toBeGreaterThan(0);
    await post(url, { ...LOGIN, userId: 'last' });
    const last = async () => (await fetch(`${url}/events/processed?userId=last`)).text();
    await expect.poll(last).toContain('last');
    expect(await processed(url)).toHaveLength(3001);
  });

  it('says what is missing', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    expect(await runCommand(['send', '--url', url, '--user', 'u', '--type', 'LOGIN'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Start Footfall first'),
    });
    expect(await runCommand(['send', 'none.ndjson'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ENOENT'),
    });
    expect(await runCommand(['send', '--user', 'u', '--payload', '[]'])).toMatchObject({ code: 2 });
  });
});

describe('footfall query', () => {
  it('prints events that match, as many as asked for', async () => {
    const logins = Array.from({ length: 5 }, (_, at) => ({ ...LOGIN, userId: `user-${at}` }));
    const { env } = await serviceWith(...logins, { userId: 'user-4', eventType: 'LOGOUT' });
    const users = async (...args: string[]) => usersIn((await runCommand(['query', ...args], env)).stdout);
    expect(await users('--limit', '2')).toEqual(['user-0', 'user-1']);
    expect(await users('--order=-stored', '--limit', '3')).toEqual(['user-4', 'user-4', 'user-3']);
    expect(await users('--user', 'user-4', '--type', 'LOGOUT')).toEqual(['user-4']);
    expect(await users('--payload', 'device=iPhone', '--all')).toHaveLength(5);
    const csv = await runCommand(['query', '--csv', '--type', 'LOGIN', 'LOGOUT'], env);
    expect(csv.stdout.trimEnd().split('\n')).toHaveLength(7);
  });

  it('says what is wrong with a filter', async () => {
    const { env } = await serviceWith();
    expect(await runCommand(['query', '--from', 'yesterday'], env)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('from'),
    });
    expect(await runCommand(['query', '--payload', 'device'], env)).toMatchObject({ code: 1 });
  });
});

describe('footfall tail', () => {
  const startTail = (url: string, ...args: string[]) =>
    ServiceProcess.spawn({ FOOTFALL_URL: url }, undefined, ['tail', ...args]);

  it('prints what is stored from now on, and continues after the service was away', async () => {
    const folder = await tempFolder();
    const env = { PORT: String(await freePort()) };
    const service = await ServiceProcess.start(env, folder);
    await post(service.url, LOGIN);
    const tail = await startTail(service.url, '--after', '0');
    await tail.untilSaid(/"userId":"user-1"/);
    await service.kill('SIGKILL');
    await expect.poll(() => tail.stderr).toMatch(/Nothing answers/);
    const next = await ServiceProcess.start(env, folder);
    await post(next.url, { ...LOGIN, userId: 'user-2' });
    await tail.untilSaid(/"userId":"user-2"/);
    expect(usersIn(tail.lines.join('\n'))).toEqual(['user-1', 'user-2']);
  });

  it('prints what was stored while its connection was broken, also if it has printed nothing before', async () => {
    const { url } = await serviceWith(LOGIN);
    const network = await CuttableNetwork.start(url);
    const tail = await startTail(network.url, '--type', 'LOGIN');
    await expect.poll(() => network.answered).toContain('\nid: ');
    // When this has passed by, the tail has long had the first position.
    await post(url, { userId: 'user-1', eventType: 'LOGOUT' });
    await expect.poll(() => network.answered.split('\nid: ').length).toBeGreaterThan(2);
    network.cut();
    await expect.poll(() => tail.stderr).toMatch(/The connection broke/);
    await post(url, { ...LOGIN, userId: 'user-2' });
    await expect.poll(async () => (await processed(url)).length).toBe(3);
    network.repair();
    await tail.untilSaid(/"userId":"user-2"/);
    expect(usersIn(tail.lines.join('\n'))).toEqual(['user-2']);
  });

  it('ends after as many events as asked for', async () => {
    const { env } = await serviceWith(LOGIN, LOGIN, LOGIN);
    const { code, stdout } = await runCommand(['tail', '--after', '0', '--limit', '2'], env);
    expect(code).toBe(0);
    expect(usersIn(stdout)).toEqual(['user-1', 'user-1']);
  });
});

describe('footfall stats and groups', () => {
  it('print counts and positions', async () => {
    const { url, env } = await serviceWith(LOGIN, LOGIN);
    const total = async () =>
      ((await (await fetch(`${url}/events/stats`)).json()) as { total: number }).total;
    await expect.poll(total).toBe(2);
    const stats = await runCommand(['stats'], env);
    expect(stats.stdout).toMatch(/^2 events\n.*LOGIN.*user-1/s);
    const ofUser = await runCommand(['stats', '--user', 'user-1'], env);
    expect(JSON.parse(ofUser.stdout)).toMatchObject({ userId: 'user-1', events: 2 });
    const groups = await runCommand(['groups', '--json'], env);
    expect(groups.code).toBe(0);
    expect(JSON.parse(groups.stdout)).toMatchObject({
      groups: [{ partitions: [{ position: '2', lag: 0 }] }],
    });
    const shown = await runCommand(['groups'], env);
    expect(shown.stdout).toContain('user-activity-consumer-group reads user-activity-events');
  });
});

describe('footfall dead-letters', () => {
  it('lists, shows and redrives', async () => {
    const folder = await tempFolder();
    await appendIn(folder, ['\u001b[2Jjunk']);
    const { url } = await serviceHere({ DATA_DIR: folder });
    const env = { FOOTFALL_URL: url };
    const letters = (...args: string[]) => runCommand(['dead-letters', ...args], env);
    await expect
      .poll(async () => (await letters('list', '--waiting')).stdout)
      .toMatch(/^1 .* waiting .*not-json/);
    const shown = await letters('show', '1');
    expect(JSON.parse(shown.stdout)).toMatchObject({ record: { value: { text: '\u001b[2Jjunk' } } });
    expect(shown.stdout).not.toContain('\u001b');
    expect(await letters('redrive')).toMatchObject({ code: 2, stderr: expect.stringContaining('--all') });
    const redriven = await letters('redrive', '1', '--value', eventJson(randomUUID()));
    expect(redriven).toMatchObject({ code: 0, stdout: expect.stringContaining('"success": true') });
    await expect.poll(() => processed(url)).toHaveLength(1);
    expect((await letters('list')).stdout).toContain('sent back');
    expect(await letters('show', '99')).toMatchObject({ code: 1, stderr: expect.stringContaining('404') });
  });
});
