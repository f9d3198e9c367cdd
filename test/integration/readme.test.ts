import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { PATIENCE_MS } from '../support/patience.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

const PAGES = ['README.md', ...globSync('docs/*.md').sort()];
const SERVICE = /(?:http:\/\/)?(?:localhost|127\.0\.0\.1):3000/g;
const environment = { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, HOME: process.env.HOME };

interface Documented {
  page: string;
  command: string;
}

/** The commands of a page's shell blocks, as a person would paste them: with the lines that belong to them. */
function commandsOf(page: string): Documented[] {
  const blocks = readFileSync(page, 'utf8').matchAll(/^```bash\n(.*?)^```/gms);
  return [...blocks].flatMap(([, block]) => splitCommands(block!).map((command) => ({ page, command })));
}

function splitCommands(block: string): string[] {
  const commands: string[] = [];
  let open = false;
  let hereDocument = false;
  for (const line of block.split('\n')) {
    if (!open && (line === '' || line.startsWith('#'))) continue;
    if (open) commands.push(`${commands.pop()}\n${line}`);
    else commands.push(line);
    if (line.endsWith("<<'END'")) hereDocument = true;
    else if (line === 'END') hereDocument = false;
    open = hereDocument || line.endsWith('\\');
  }
  return commands;
}

const documented = PAGES.flatMap(commandsOf);
const curls = documented.filter(({ command }) => command.startsWith('curl '));

describe('the documented commands', () => {
  it('start the service, ask it, and leave nothing that fails', async () => {
    const service = await startedAsDocumented();
    for (const { page, command } of curls) {
      const written = command.replaceAll(SERVICE, service.url);
      const isStream = command.includes('/events/stream');
      const { code, status } = await (isStream ? followed(written) : answered(written));
      expect({ page, command, code, status }).toEqual({
        page,
        command,
        code: 0,
        status: expect.stringMatching(/^2\d\d$/),
      });
    }
  });

  it('make a key that the service takes', async () => {
    const keyCommands = documented.filter(({ command }) => command.startsWith('npm run key'));
    expect(keyCommands).not.toEqual([]);
    for (const { command } of keyCommands) {
      const { stdout, stderr } = await shell(command, process.cwd());
      const key = /ff_\S+/.exec(stderr)![0];
      const entry = JSON.parse(stdout.slice(stdout.indexOf('{'))) as object;
      const { url } = await ServiceProcess.start({ API_KEYS: JSON.stringify([entry]) });
      const response = await fetch(`${url}/events/generate`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` },
        body: '{"userId":"u","eventType":"LOGIN"}',
      });
      expect(response.status).toBe(201);
    }
  });

  it('are found: at least one curl for each page that has any', () => {
    const pages = new Set(curls.map(({ page }) => page));
    expect([...pages]).toEqual(['README.md', 'docs/api.md', 'docs/operations.md', 'docs/reading.md']);
  });
});

/** Runs what follows `npm ci &&` in the first block of the README: the script of `npm start`, on a free port. */
async function startedAsDocumented(): Promise<ServiceProcess> {
  const [first] = commandsOf('README.md');
  expect(first?.command).toBe('npm ci && npm start');
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  expect(scripts.start).toBe('node src/main.ts');
  return ServiceProcess.start();
}

/** Runs a curl command to its end. */
async function answered(command: string) {
  const { code, stdout } = await shell(
    command.replace(/^curl /, "curl -sS -w '\\n%{http_code}' "),
    await tempFolder(),
  );
  return { code, status: stdout.trimEnd().split('\n').at(-1) };
}

/** Runs a curl command that never ends until its answer begins. */
async function followed(command: string) {
  const child = spawn('bash', ['-c', command.replace(/^curl /, 'exec curl -sS -i ')], { env: environment });
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  const ended = once(child, 'close');
  await expect.poll(() => output !== '' || child.exitCode !== null).toBe(true);
  const code = child.exitCode ?? 0;
  child.kill();
  await ended;
  return { code, status: /^HTTP\S+ (\d+)/.exec(output)?.[1] };
}

/** Runs a command in bash to its end, with the Node.js of the tests. */
async function shell(command: string, cwd: string) {
  const options = {
    cwd,
    timeout: PATIENCE_MS,
    env: environment,
  };
  return promisify(execFile)('bash', ['-c', command], options).then(
    (output) => ({ code: 0, ...output }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}
