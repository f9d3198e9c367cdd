import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { ApiKeys } from '../../src/access/api-keys.ts';
import { post, processed, serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { damage, eventJson, processedFolder } from '../support/verify-ground.ts';

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a script to its end, whatever its code; nothing of this process's environment but PATH is passed on. */
async function run(
  script: string,
  args: string[],
  env: Record<string, string> = {},
  cwd?: string,
): Promise<Ended> {
  const options = { cwd, env: { PATH: process.env.PATH, ...env } };
  return promisify(execFile)(process.execPath, [resolve('scripts', script), ...args], options).then(
    (output) => ({ code: 0, ...output }),
    (error: Ended) => error,
  );
}

it('key create makes a key that it shows once', async () => {
  const args = ['create', '--name', 'shop', '--scope', 'write', 'read', '--events-per-second', '5'];
  const { code, stdout } = await run('key.ts', args);
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

it.each(['abc', '0', '-1', '0.5'])('key create refuses a limit of %s events per second', async (limit) => {
  const args = ['create', '--name', 'shop', '--scope', 'write', '--events-per-second', limit];
  const { code, stdout, stderr } = await run('key.ts', args);
  expect(code).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toContain('must be a whole number greater than 0');
});

it.each([
  ['--help', 0],
  ['--prot=8080', 2],
])('main.ts %s says how to use it instead of starting', async (argument, expected) => {
  const { code, stdout, stderr } = await run('../src/main.ts', [argument]);
  expect(code).toBe(expected);
  expect(stdout + stderr).toContain('docs/configuration.md lists them');
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
    return run('catalog.ts', ['check', join(folder, file), '--url', url]);
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
    run('verify.ts', args, { DATA_DIR: folder, ...env }, folder);
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
