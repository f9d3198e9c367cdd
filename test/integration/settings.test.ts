import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCommand } from '../support/run-command.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

it('a misspelled setting stops the start with code 2, and every mistake is named', async () => {
  const service = await ServiceProcess.spawn({ KAFKA_BROKER: '127.0.0.1:9092', LOGLEVEL: 'debug', LOG: 'x' });
  expect(await service.ended).toEqual({ code: 2, signal: null });
  expect(service.stderr).toContain('did you mean KAFKA_BROKERS?');
  expect(service.stderr).toContain('did you mean LOG_LEVEL?');
  expect(service.stderr).toContain('LOG must be one of embedded, kafka');
  expect(service.lines).toEqual([]);
});

it('a name that may be a mistake is warned about in one line, and the service starts', async () => {
  const service = await ServiceProcess.start({
    KAFKA_ACKS: '1',
    MAX_EVENTS: '5',
    KAFKA_SERVICE_HOST: '10.0.0.1',
  });
  const warnings = service.lines.filter((line) => line.includes('without effect'));
  expect(warnings).toEqual([
    expect.stringContaining('KAFKA_ACKS, MAX_EVENTS (did you mean MAX_BATCH_EVENTS?)'),
  ]);
});

it('a folder named .env, as Python keeps for itself, is left alone', async () => {
  const folder = await tempFolder();
  await mkdir(join(folder, '.env'));
  expect(await runCommand(['check'], {}, folder)).toMatchObject({ code: 0, stderr: '' });
  expect(await runCommand(['--help'], {}, folder)).toMatchObject({ code: 0, stderr: '' });
});

it('a .env that cannot be read is named', async () => {
  const folder = await tempFolder();
  await symlink('.env', join(folder, '.env'));
  expect(await runCommand(['check', '--print'], {}, folder)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('.env cannot be read: ELOOP'),
  });
});
