import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Producer } from '@platformatic/kafka';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { freePort } from '../../src/cli/kafka/free-port.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { post } from '../support/service.ts';
import { COMPILE_CACHE, ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** What is in a block by the language it is said to have; anything else is for a shell. */
const OTHER_LANGUAGES = ['yaml', 'nginx', 'sql', 'json', 'ini'];

/** The first line of each block that another test runs, and how that test finds it. */
const RUN_ELSEWHERE: Record<string, { test: string; by: string }> = {
  'footfall check    # names the migrations that are missing': {
    test: 'test/integration/upgrade.test.ts',
    by: "blocksOf('docs/operations.md', '### A new version', 'bash')",
  },
  'footfall check                                          # of a newer Footfall, beside which this one works':
    {
      test: 'test/integration/upgrade.test.ts',
      by: "blocksOf('docs/operations.md', '### A new version', 'bash')",
    },
  '# Lets nginx notice who stops: nine requests are shared among the instances.': {
    test: 'test/integration/rolling.test.ts',
    by: 'rollingCommands({',
  },
};

/** The first line of each block that cannot run here, and why. */
const CANNOT_RUN: Record<string, string> = {};

interface Ground {
  folder: string;
  service: ServiceProcess;
  /** As the service has it, with the address of the service and a key. */
  env: Record<string, string>;
}

/** The first line of each block that is run here, and what it has to say. */
const RUN_HERE: Record<string, (said: string, ground: Ground) => void | Promise<void>> = {
  'curl http://127.0.0.1:3000/livez': (said) => {
    expect(said).toMatch(/"log":.*"store":.*"consumer":/);
    expect(said).toContain('{"status":"healthy"');
  },
  'footfall doctor                                            # with the settings of this folder': (said) => {
    expect(said.match(/^warn {2}1 records that are not valid events wait as dead letters/gm)).toHaveLength(3);
    expect(said.match(/^ok {4}service .* is ready$/gm)).toHaveLength(3);
    expect(said).not.toContain('wants an API key');
  },
  'footfall doctor --bundle support.json': (_said, { folder }) => {
    const bundle = JSON.parse(readFileSync(join(folder, 'support.json'), 'utf8')) as object;
    expect(bundle).toMatchObject({ status: 'warning', service: { state: 'answers' } });
  },
  'footfall groups                             # the members of the consumer group, and the lag of each partition':
    (said) => {
      expect(said).toContain('not-json');
      expect(said).toContain('Nothing was changed. To do it, add --execute.');
      expect(said).toContain('Nothing is missing.');
    },
  'footfall dead-letters redrive --all         # the key needs the scope admin': (said) => {
    expect(JSON.parse(said)).toMatchObject({ success: true });
  },
  'footfall positions reset --to-earliest --execute': async (said, { service }) => {
    expect(said).toContain('Done: these records are processed again.');
    // Both are in the log twice now: the dead letter was sent back, and then all was passed again.
    await expect.poll(() => metric(service, 'stored')).toBe(1);
    await expect.poll(() => metric(service, 'duplicates')).toBe(1);
  },
  "curl -H 'X-Request-Id: ticket-4711' 'http://127.0.0.1:3000/events/processed?limit=1'": (said) => {
    expect(said).toContain('"userId":"carol"');
    expect(said).toContain('[API] Request');
  },
};

async function metrics(service: ServiceProcess): Promise<string> {
  return (await fetch(`${service.url}/metrics`, { headers: service.headers })).text();
}

async function metric(service: ServiceProcess, outcome: string): Promise<number> {
  const found = (await metrics(service)).matchAll(
    new RegExp(`^footfall_ledger_records\\{.*outcome="${outcome}"\\} (\\d+)$`, 'gm'),
  );
  return [...found].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** The blocks of a page that are for a shell. */
function blocksOf(page: string): string[] {
  const blocks = readFileSync(page, 'utf8').matchAll(/^```(\w*)\n(.*?)^```$/gms);
  return [...blocks]
    .filter(([, language]) => !OTHER_LANGUAGES.includes(language!))
    .map(([, , text]) => text!);
}

const firstLine = (block: string) => block.split('\n', 1)[0]!;
const PAGES = ['docs/operations.md', 'docs/troubleshooting.md'];
const blocks = PAGES.flatMap(blocksOf);

/** A service on Kafka and PostgreSQL that asks for keys, with an event stored and a dead letter, and a shell that has `footfall`. */
async function ground(): Promise<Ground> {
  const folder = await tempFolder();
  const { key, entry } = createKey({ name: 'operator', scopes: ['read', 'write', 'admin', 'metrics'] });
  const settings = {
    ...(await kafkaAndPostgres()),
    PORT: String(await freePort()),
    DATA_DIR: join(folder, 'data'),
    API_KEYS: JSON.stringify([entry]),
    LOG_LEVEL: 'debug',
  };
  await mkdir(settings.DATA_DIR);
  const service = await ServiceProcess.start(settings, folder);
  service.headers = { Authorization: `Bearer ${key}` };
  expect((await post(service.url, { userId: 'carol', eventType: 'LOGIN' }, service.headers)).status).toBe(
    201,
  );
  const foreign = new Producer({ clientId: 'foreign', bootstrapBrokers: [settings.KAFKA_BROKERS] });
  onTestFinished(() => foreign.close());
  const messages = [{ topic: settings.KAFKA_TOPIC, partition: 0, value: Buffer.from('junk') }];
  await foreign.send({ messages, acks: -1 });
  await expect.poll(() => metric(service, 'stored')).toBe(1);
  await expect.poll(() => metrics(service)).toMatch(/^footfall_dead_letters_waiting.* 1$/m);
  // As in its container.
  await symlink(resolve('src'), join(folder, 'src'));
  await mkdir(join(folder, 'bin'));
  const program = `#!/bin/sh\nexec node ${resolve('src/main.ts')} "$@"\n`;
  await writeFile(join(folder, 'bin/footfall'), program, { mode: 0o755 });
  const path = `${join(folder, 'bin')}:${dirname(process.execPath)}:${process.env.PATH}`;
  const own = { PATH: path, NODE_COMPILE_CACHE: COMPILE_CACHE, FOOTFALL_KEY: key, KEY: key };
  return { folder, service, env: { ...settings, ...own } };
}

describe('the shell blocks of docs/operations.md and docs/troubleshooting.md', () => {
  it('are all run: here, in another test, or for a reason not at all', () => {
    const known = [...Object.keys(RUN_HERE), ...Object.keys(RUN_ELSEWHERE), ...Object.keys(CANNOT_RUN)];
    expect(blocks.map(firstLine).toSorted()).toEqual(known.toSorted());
  });

  it.each(Object.entries(RUN_ELSEWHERE))('%s … is read by the test that runs it', (_line, { test, by }) => {
    expect(readFileSync(test, 'utf8')).toContain(by);
  });

  it.runIf(inject('kafka4'))('do what the page says', async () => {
    const here = await ground();
    const { folder, service, env } = here;
    for (const block of blocks) {
      const check = RUN_HERE[firstLine(block)];
      if (check === undefined) continue;
      const written = block.replaceAll(/http:\/\/(127\.0\.0\.1|10\.0\.0\.5):3000/g, service.url);
      // With keys, every call has one; a page that shows it each time would be harder to read.
      const keyed = written.replaceAll(/^curl /gm, `curl -sS -H 'Authorization: Bearer ${env.KEY}' `);
      let said = '';
      for (const line of keyed.trimEnd().split('\n')) {
        // A moment after the answer.
        if (line.startsWith('grep ')) await service.untilSaid(/"requestId":"ticket-4711"/);
        await writeFile(join(folder, 'footfall.log'), `${service.lines.join('\n')}\n`);
        const args = ['--norc', '-euc', line];
        said += (await promisify(execFile)('bash', args, { cwd: folder, env })).stdout;
      }
      await check(said, here);
    }
  });
});
