// Runs a mutation tester on one room of the source, or on a file of it, and reports the mutants its tests do not detect.
import { globSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { Stryker } from '@stryker-mutator/core';
import { Command } from 'commander';
import { pino } from 'pino';
import { PostgresStore } from '../src/store/postgres/postgres-store.ts';
import { createDatabase, PostgresServer } from './postgres-server.ts';

type MutantResult = Awaited<ReturnType<Stryker['runMutationTest']>>[number];

const CACHE = '.cache/mutation';
/** Timeout for a condition that a mutant may never let come true. */
const PATIENCE_MS = '2000';
/** How much longer than before a change the tests may take where they wait for a server, which others keep busy at times. */
const SERVER_MS = 10_000;
/** Of a server whose data nobody needs after a crash. */
const IN_A_HURRY = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];

const program = new Command()
  .name('npm run mutate --')
  .description(
    'Changes one room of the source, or one of its files, bit by bit (StrykerJS) and runs the tests in test/unit that are of this room against each change. Prints the share of changes that a test noticed, and those that none did.',
  )
  .argument('<path>', 'a folder of src, such as src/ingest, or a file in one; or files: src/ingest/{a,b}.ts')
  .option(
    '--constants',
    'also changes what is made when a file is loaded, such as patterns and limits: all tests of the room run against each',
    false,
  )
  .option(
    '--without-server',
    'leaves out the tests that need PostgreSQL: much faster, and what only they notice counts as not noticed',
    false,
  )
  .option('--force', 'also tries what was tried before and has not changed since', false)
  .addHelpText(
    'after',
    `
Not changed are texts: most of them are for people, and types check the others. What was tried is remembered in ${CACHE}:
only what changed since, in the room or in its tests, is tried again. Code of other rooms is not looked at: --force.

Examples:
  npm run mutate -- src/ingest
  npm run mutate -- src/access --constants
  npm run mutate -- src/processing/consumer.ts
  npm run mutate -- src/store/memory --force
  npm run mutate -- 'src/store/postgres/{ranges,time-order}.ts'
  npm run mutate -- src/store/postgres/tables.ts --without-server`,
  )
  .parse();
const path = program.args[0]!.replace(/\/+$/, '');
const [room, sources] = path.endsWith('.ts') ? [dirname(path), path] : [path, `${path}/**/*.ts`];
const { force, constants, withoutServer } = program.opts<{
  force: boolean;
  constants: boolean;
  withoutServer: boolean;
}>();
if (globSync(sources).length === 0) program.error(`there is no source at ${path}`);

/** Lines and columns count from 1. */
function describe({
  fileName,
  location: { start, end },
  replacement = '',
  mutatorName,
}: MutantResult): string {
  const lines = readFileSync(fileName, 'utf8')
    .split('\n')
    .slice(start.line - 1, end.line);
  const last = lines.length - 1;
  lines[last] = lines[last]!.slice(0, end.column - 1);
  lines[0] = lines[0]!.slice(start.column - 1);
  const place = `${relative('.', fileName)}:${start.line}:${start.column}`;
  return `${place} ${mutatorName}\n    - ${shorten(lines.join('\n'))}\n    + ${shorten(replacement)}`;
}

function shorten(code: string): string {
  const line = code.replace(/\s+/g, ' ');
  return line.length > 150 ? `${line.slice(0, 150)}…` : line;
}

/**
 * One server for all mutants, started here: a mutant that hangs takes the process of its tests with it. Tests copy the
 * database `migrated`, which the source as it is has made.
 */
async function startPostgres(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'footfall-mutation-'));
  // As root, PostgreSQL runs as a user of its own, who must get in.
  await chmod(folder, 0o755);
  const server = await PostgresServer.start(join(folder, 'postgres'), IN_A_HURRY);
  const url = await createDatabase(server.url, 'migrated');
  const store = new PostgresStore({ url, poolSize: 1, logger: pino({ level: 'silent' }) });
  await store.migrate();
  await store.close();
  process.env.MUTATION_POSTGRES = server.url;
  return async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
}

const needsServer = room.startsWith('src/store/postgres') && !withoutServer;
const stopServer = needsServer ? await startPostgres() : async () => {};
process.env.MUTATED_ROOM = room;
process.env.PATIENCE_MS ??= PATIENCE_MS;
const mutants = await new Stryker({
  mutate: [sources],
  force,
  ...(needsServer && { timeoutMS: SERVER_MS }),
  ignoreStatic: !constants,
  incrementalFile: `${CACHE}/${path.replaceAll('/', '-')}${withoutServer ? '-without-server' : ''}.json`,
  reporters: [process.stdout.isTTY ? 'progress' : 'progress-append-only'],
})
  .runMutationTest()
  .finally(stopServer);

const withStatus = (...statuses: string[]) => mutants.filter(({ status }) => statuses.includes(status));
const noticed = withStatus('Killed', 'Timeout');
const timeouts = withStatus('Timeout').length;
const survivors = withStatus('Survived', 'NoCoverage');
for (const mutant of survivors)
  console.log(`${mutant.status === 'NoCoverage' ? 'not run: ' : ''}${describe(mutant)}`);
const all = noticed.length + survivors.length;
const share = ((100 * noticed.length) / Math.max(1, all)).toFixed(1);
console.log(
  `${path}: ${share} % noticed, ${noticed.length} of ${all} (${timeouts} by a timeout); not noticed: ${survivors.length}`,
);
