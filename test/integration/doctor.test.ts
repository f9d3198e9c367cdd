import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { freshDatabase, openStore } from '../support/postgres.ts';
import { runCommand } from '../support/run-command.ts';
import { post, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

it('doctor names the cause in its first line and the next step in its second, and ends with 1', async () => {
  const port = await freePort();
  const env = { PORT: '0', DATABASE_URL: `postgres://u:pass-of-u@127.0.0.1:${port}/d` };
  const { code, stdout, stderr } = await runCommand(['doctor'], env);
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  const [cause, next] = stdout.split('\n');
  expect(cause).toBe(
    `FAIL  Nothing listens at the address of PostgreSQL: connect ECONNREFUSED 127.0.0.1:${port}`,
  );
  expect(next).toBe('next  Start PostgreSQL, or correct host and port in DATABASE_URL');
});

it('doctor ends with 2 where the settings are wrong, and names them first', async () => {
  const { code, stdout } = await runCommand(['doctor'], { KAFKA_BROKER: 'a:9092', PORT: 'x' });
  expect(code).toBe(2);
  expect(stdout).toMatch(/^FAIL {2}.*did you mean KAFKA_BROKERS\?/);
});

it('doctor ends with 2 where the command is wrong', async () => {
  const { code, stdout, stderr } = await runCommand(['doctor', '--url', 'nowhere']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('--url');
});

it('doctor prints JSON, and ends with 0 where there are only warnings', async () => {
  const service = await ServiceProcess.start({ DATABASE_URL: 'memory:' });
  const { code, stdout } = await runCommand(['doctor', '--json', '--url', service.url]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    status: 'warning',
    findings: [
      {
        code: 'other_settings',
        severity: 'warning',
        cause: expect.stringContaining('runs on embedded and memory'),
        next: expect.any(String),
        detail: expect.stringContaining('build_info'),
      },
    ],
  });
});

it('doctor writes a bundle that has what a maintainer asks for, and neither secrets nor events', async () => {
  const folder = await tempFolder();
  const database = await freshDatabase();
  await openStore(database).ping(PATIENCE_MS);
  const service = await ServiceProcess.start({ DATABASE_URL: database });
  await store(service.url, [
    { userId: 'user-of-bundle', eventType: 'LOGIN', payload: { note: 'note-of-bundle' } },
  ]);
  await post(service.url, { userId: 'user-of-bundle' });
  const env = {
    PORT: '0',
    DATABASE_URL: database,
    FOOTFALL_KEY: 'key-of-bundle',
  };
  const path = join(folder, 'bundle.json');
  const args = ['doctor', '--url', service.url, '--bundle', path];
  expect((await runCommand(args, env, folder)).stderr).toContain('Look through it');
  const text = await readFile(path, 'utf8');
  expect(JSON.parse(text)).toMatchObject({
    footfall: '0.1.0',
    node: process.versions.node,
    checks: [{ name: 'settings' }, { name: 'log' }, { name: 'store' }],
    settings: expect.arrayContaining([
      { name: 'DATABASE_URL', value: null, isSecret: true, source: 'environment' },
    ]),
    store: {
      version: expect.any(String),
      migrations: expect.arrayContaining(['0001_events']),
      tables: expect.arrayContaining([
        { name: 'events', bytes: expect.any(Number), rows: expect.any(Number) },
      ]),
    },
    service: {
      readiness: { status: 'ready' },
      health: { status: 'healthy' },
      groups: [{ topic: 'user-activity-events' }],
      metrics: expect.arrayContaining([expect.stringMatching(/^footfall_build_info/)]),
    },
  });
  expect(text).not.toMatch(/of-bundle/);
  expect(text).not.toContain(new URL(database).password);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

it('doctor leaves a file that is there alone', async () => {
  const path = join(await tempFolder(), 'bundle.json');
  await writeFile(path, 'kept');
  const { code, stderr } = await runCommand(['doctor', '--bundle', path]);
  expect(code).toBe(2);
  expect(stderr).toContain('give --bundle a new file');
  expect(await readFile(path, 'utf8')).toBe('kept');
});
