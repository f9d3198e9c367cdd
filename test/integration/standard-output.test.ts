import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { post } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** The service as it is behind `| head -1`: the reader of its output goes as soon as it has the first line. */
async function startBehindHead(env: Record<string, string>) {
  const child = spawn(process.execPath, [resolve('src/main.ts')], {
    cwd: await tempFolder(),
    env: { PATH: process.env.PATH, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const lines = createInterface(child.stdout);
  const url = await new Promise<string>((found) => {
    lines.on('line', (line) => {
      const address = /answers on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (address !== undefined) found(address);
    });
  });
  // Who answers has begun to listen to signals.
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  lines.close();
  child.stdout.destroy();
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      const [code, signal] = await once(child, 'exit');
      return { code, signal, stderr };
    },
  };
}

describe('a service whose output nobody reads any more', () => {
  const cleanly = { code: 0, signal: null, stderr: '' };

  it.each([
    ['info', 'json'],
    ['info', 'text'],
    ['debug', 'json'],
    ['debug', 'text'],
  ])('stops when it is told, at level %s as %s', async (LOG_LEVEL, LOG_FORMAT) => {
    const { stop } = await startBehindHead({ LOG_LEVEL, LOG_FORMAT });
    expect(await stop()).toEqual(cleanly);
  });

  it.each(['json', 'text'])('goes on until then: %s', async (LOG_FORMAT) => {
    const { url, stop } = await startBehindHead({ LOG_FORMAT, LOG_EVERY_NTH_EVENT: '1' });
    for (let event = 0; event < 50; event++) {
      expect((await post(url, { userId: 'u', eventType: 'LOGIN' })).status).toBe(201);
    }
    expect(await stop()).toEqual(cleanly);
  });
});

describe('a command whose output', () => {
  const keys = [process.execPath, resolve('src/main.ts'), 'keys', 'create', '--name', 'n', '--scope', 'read'];
  const inShell = (rest: string) =>
    spawnSync('bash', ['-c', `set -o pipefail; "$@" ${rest}`, 'bash', ...keys]);

  it('cannot be written says so and fails', () => {
    const { status, stderr } = inShell('> /dev/full');
    expect(status).toBe(1);
    expect(stderr.toString()).toMatch(/The output cannot be written: ENOSPC/);
  });

  it('nobody reads any more ends well', () => {
    expect(inShell('| true')).toMatchObject({ status: 0 });
  });
});
