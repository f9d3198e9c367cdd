// Sends the running service requests that its own OpenAPI document allows and some that it does not, and checks every
// response against that document. Exits with 1 on a mismatch: a 5xx, an undocumented status or body, or accepted bad
// input.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { createKey } from '../src/access/api-keys.ts';
import { loadConfig } from '../src/config/config.ts';
import { createLogger } from '../src/observability/logger.ts';
import { startService } from '../src/service.ts';

const VERSION = '4.32.0';
const VENV = resolve('.cache/schemathesis');

const options = new Command()
  .name('npm run fuzz --')
  .description(
    'Fuzzes the service from its own OpenAPI document with Schemathesis; needs Python 3.10 or newer.',
  )
  .option('--seed <number>', 'decides what is sent', '1')
  .option('--examples <number>', 'requests tried for each operation', '100')
  .addHelpText('after', '\nExamples:\n  npm run fuzz\n  npm run fuzz -- --seed 7 --examples 500')
  .parse()
  .opts<{ seed: string; examples: string }>();

function installSchemathesis(): void {
  if (existsSync(join(VENV, 'bin/schemathesis'))) return;
  console.log(`Installing Schemathesis ${VERSION} into ${VENV}`);
  for (const [command, ...args] of [
    ['python3', '-m', 'venv', VENV],
    [join(VENV, 'bin/pip'), 'install', '--quiet', '--disable-pip-version-check', `schemathesis==${VERSION}`],
  ] as const) {
    const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
    if (error || status !== 0)
      throw new Error(`${command} ${args.join(' ')} failed: Python 3.10 or newer is needed`);
  }
}

async function fuzz(url: string, key: string): Promise<number> {
  const args = [
    '--config-file',
    'test/fuzz/schemathesis.toml',
    'run',
    `${url}/openapi.json`,
    '--seed',
    options.seed,
    '--max-examples',
    options.examples,
  ];
  const child = spawn(join(VENV, 'bin/schemathesis'), args, {
    stdio: 'inherit',
    env: { ...process.env, FOOTFALL_KEY: key },
  });
  return new Promise((done) => child.once('exit', (code) => done(code ?? 1)));
}

installSchemathesis();
const folder = await mkdtemp(join(tmpdir(), 'footfall-fuzz-'));
const { key, entry } = createKey({ name: 'fuzzer', scopes: ['admin'] });
const config = loadConfig({
  PORT: '0',
  DATA_DIR: folder,
  API_KEYS: JSON.stringify([entry]),
  UNKNOWN_EVENT_TYPES: 'accept',
  LOG_LEVEL: 'error',
});
const service = await startService(config, {
  logger: await createLogger({ level: 'error', format: 'text' }),
});
const code = await fuzz(service.url, key);
await service.stop();
await rm(folder, { recursive: true });
process.exit(code);
