import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { findChromium, openBrowser } from '../support/chromium.ts';

const run = promisify(execFile);

/** A folder of somebody who has installed the package, with the examples in it. */
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'footfall-package-'));
  // The page and the client are built before all tests, some of which are using them.
  await run(process.execPath, ['scripts/build-library.ts']);
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await run('npm', pack);
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  await cp('examples', folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  await run('npm', ['install', '--prefer-offline', `./${filename}`], { cwd: folder });
});

const ANSWERS = /Footfall answers on (http:\/\/[\d.:]+)/;

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts a program of the folder, which says its address; it is stopped when the test ends, if not before. */
async function start(command: string, args: string[], says: RegExp, env: Record<string, string> = {}) {
  const child = spawn(command, args, { cwd: folder, env: { ...process.env, ...env }, detached: true });
  const exited = once(child, 'exit');
  const stop = async () => {
    // npx starts a shell, and that the program: the signal is for all of them.
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGINT');
    await exited;
  };
  onTestFinished(stop);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  await expect.poll(() => text).toMatch(says);
  return { url: says.exec(text)![1]!, stop };
}

describe('the package', () => {
  it('holds the service, the client, the page and their types, and nothing else', async () => {
    const installed = join(folder, 'node_modules/footfall');
    expect((await readdir(installed)).toSorted()).toEqual([
      '.env.example',
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'bin',
      'deploy',
      'dist',
      'docs',
      'lib',
      'package.json',
    ]);
    const files = await readdir(installed, { recursive: true });
    expect(files).toEqual(
      expect.arrayContaining([
        'lib/index.d.ts',
        'lib/store/postgres/migrations/0001_events.sql',
        'dist/client/footfall.js',
        'dist/client/footfall.d.ts',
        'dist/client/spool.d.ts',
        'dist/dashboard/index.html',
      ]),
    );
    expect(files.filter((file) => /(?<!\.d)\.tsx?$/.test(file) || /\btest\b/.test(file))).toEqual([]);
  });

  it('starts with npx, takes an event and shows the page', async () => {
    const { url } = await start('npx', ['footfall'], ANSWERS, { PORT: '0' });
    const answer = await fetch(`${url}/events/generate`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"userId":"u","eventType":"LOGIN"}',
    });
    expect(answer.status).toBe(201);
    expect(await (await fetch(`${url}/`)).text()).toContain('<title>Footfall');
  });

  it.each([
    ['--help', /Usage: footfall/],
    ['--version', /^\d+\.\d+\.\d+\n$/],
  ])('answers %s', async (option, says) => {
    expect((await run('npx', ['footfall', option], { cwd: folder })).stdout).toMatch(says);
  });

  it('has the commands', async () => {
    const { stdout } = await run('npx', ['footfall', 'check'], {
      cwd: await mkdtemp(join(folder, 'check-')),
    });
    expect(stdout).toMatch(/^ok {4}settings/);
  });

  it('says which options there are', async () => {
    const failing = run('npx', ['footfall', '--prot=1'], { cwd: folder });
    await expect(failing).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('--prot') });
  });

  it('tells an older Node which one it needs', async () => {
    const older = join(folder, 'older.js');
    const code = `import { registerHooks } from 'node:module';
      Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '16.14.0' } });
      // Its node:util has no parseArgs.
      const url = 'data:text/javascript,';
      registerHooks({
        resolve: (name, context, next) => (name === 'node:util' ? { url, shortCircuit: true } : next(name, context)),
      });`;
    await writeFile(older, code);
    const args = ['--import', older, 'node_modules/footfall/bin/footfall.js'];
    await expect(run(process.execPath, args, { cwd: folder })).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^Footfall needs Node\.js 24\.16 .* this is 16\.14\.0/),
    });
  });

  it('has types that strict programs compile against', async () => {
    await mkdir(join(folder, 'node_modules/@types'), { recursive: true });
    for (const types of ['node', 'pg'])
      await cp(`node_modules/@types/${types}`, join(folder, 'node_modules/@types', types), {
        recursive: true,
      });
    await cp('node_modules/undici-types', join(folder, 'node_modules/undici-types'), { recursive: true });
    const own = `import { Footfall } from 'footfall/client'; export const client: Footfall = new Footfall({ url: '/' });`;
    await writeFile(join(folder, 'own.ts'), own);
    const options = {
      compilerOptions: {
        strict: true,
        noEmit: true,
        target: 'esnext',
        module: 'nodenext',
        allowImportingTsExtensions: true,
        skipLibCheck: false,
        types: ['node'],
      },
      include: ['own.ts', 'embed', 'own-store', 'browser'],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(options));
    const compiler = resolve('node_modules/typescript/bin/tsc');
    const { stdout } = await run(process.execPath, [compiler, '-p', folder]).catch((error) => error);
    expect(stdout).toBe('');
  });
});

describe('the examples', () => {
  it('embed: records an event and reads it back', async () => {
    const { stdout } = await run(process.execPath, ['embed/embed.ts'], { cwd: folder });
    expect(stdout).toMatch(/^201 \{"success":true/);
    expect(stdout.split('\n')[1]).toMatch(/^\[\{.*"userId":"user-123".*\}\]$/);
  });

  it('own-store: has its events again after a restart', async () => {
    const env = { PORT: '0', DATA_DIR: join(folder, 'own-data'), LOG_LEVEL: 'error' };
    const says = /send some to (http:\/\/[\d.:]+)/;
    const first = await start(process.execPath, ['own-store/main.ts'], says, env);
    const body = '{"userId":"own","eventType":"LOGIN"}';
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${first.url}/events/generate?ack=stored`, { method: 'POST', headers, body });
    expect(answer.status).toBe(201);
    await first.stop();
    const second = await start(process.execPath, ['own-store/main.ts'], says, env);
    expect(await (await fetch(`${second.url}/events/processed`)).json()).toMatchObject([{ userId: 'own' }]);
  });

  const browser = findChromium();
  it.skipIf(browser === undefined)('browser: a page of another origin records an event', async () => {
    const says = /The page is at (http:\/\/[\d.:]+)/;
    const port = String(await freePort());
    const page = await start(process.execPath, ['browser/serve.ts'], says, { PAGE_PORT: port });
    const service = await start('npx', ['footfall'], ANSWERS, {
      PORT: '0',
      CORS_ORIGINS: page.url,
      DATA_DIR: join(folder, 'browser-data'),
    });
    const tab = await (await openBrowser(browser!)).newPage();
    await tab.goto(`${page.url}/?footfall=${service.url}`);
    await tab.getByText('Look at the lamp').click();
    await tab.getByText('recorded').waitFor();
    await expect
      .poll(async () => (await fetch(`${service.url}/events/processed`)).json())
      .toMatchObject([{ userId: 'visitor-1', eventType: 'PRODUCT_VIEW', payload: { productId: 'lamp' } }]);
  });
});
