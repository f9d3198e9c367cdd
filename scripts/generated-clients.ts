// Makes two Python clients of the running service's own OpenAPI document, and sends and reads an event with each. Ends
// with 1 when one cannot be made, or does not work.
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { createKey } from '../src/access/api-keys.ts';
import { loadConfig } from '../src/config/config.ts';
import { createLogger } from '../src/observability/logger.ts';
import { realSurroundings, startService } from '../src/service.ts';

const VENV = resolve('.cache/generated-clients');
const TESTS = resolve('test/generated');
const MOST_OUTPUT = 10_000_000;
const bin = (name: string) => join(VENV, 'bin', name);

/** Prints what it says only when it does not end well. @throws Error then */
async function run(command: string, ...args: string[]): Promise<void> {
  await promisify(execFile)(command, args, { maxBuffer: MOST_OUTPUT }).catch(
    (error: Error & { stdout: string; stderr: string }) => {
      throw new Error(`${command} ${args.join(' ')} failed\n${error.stdout}${error.stderr}`, {
        cause: error,
      });
    },
  );
}

async function installGenerators(): Promise<void> {
  const requirements = join(TESTS, 'requirements.txt');
  await run('python3', '-m', 'venv', VENV).catch((cause) => {
    throw new Error('Python 3.10 or newer with venv is needed', { cause });
  });
  await run(bin('pip'), 'install', '--quiet', '--disable-pip-version-check', '-r', requirements);
}

async function generate(document: string, folder: string): Promise<void> {
  const client = join(folder, 'client');
  const config = join(folder, 'config.json');
  // Its formatter is not needed.
  await writeFile(config, '{"post_hooks": []}');
  await run(
    ...[bin('openapi-python-client'), 'generate', '--path', document, '--output-path', client],
    ...['--meta', 'none', '--config', config],
  );
  await run(
    ...[bin('datamodel-codegen'), '--input', document, '--input-file-type', 'openapi'],
    ...['--output', join(folder, 'models.py'), '--output-model-type', 'pydantic_v2.BaseModel'],
    ...['--formatters', 'builtin', '--disable-timestamp'],
  );
}

await installGenerators();
const folder = await mkdtemp(join(tmpdir(), 'footfall-clients-'));
const { key, entry } = createKey({ name: 'generated', scopes: ['admin'] });
const config = loadConfig({
  PORT: '0',
  DATA_DIR: join(folder, 'data'),
  API_KEYS: JSON.stringify([entry]),
  UNKNOWN_EVENT_TYPES: 'accept',
});
const logger = await createLogger({ level: 'error', format: 'text' });
const service = await startService(config, { ...realSurroundings, logger });
try {
  const document = join(folder, 'openapi.json');
  await writeFile(document, await (await fetch(`${service.url}/openapi.json`)).text());
  await generate(document, folder);
  await copyFile(join(TESTS, 'use.py'), join(folder, 'use.py'));
  process.env.FOOTFALL_KEY = key;
  await run(bin('python'), join(folder, 'use.py'), service.url);
  console.log(
    'The clients of openapi-python-client and datamodel-codegen have sent an event and read it back.',
  );
} finally {
  await service.stop();
  await rm(folder, { recursive: true });
}
