// Runs real clients against the real service, and prints the result of each.
import { readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { TestCluster } from '../test/clients/ground.ts';
import { ROWS, withTable } from '../test/clients/matrix.ts';
import { MissingToolError, type Row } from '../test/clients/row.ts';

const PAGE = 'docs/clients.md';
/** Clients and their installers mostly wait for I/O. */
const ROWS_AT_ONCE = 2;

interface Options {
  only?: string[];
  quick: boolean;
  list: boolean;
  writeDocs: boolean;
}
type Outcome = { row: Row; result: 'ok' | 'FAILED' | 'not run'; seconds: number; why?: string };

const program = new Command()
  .name('npm run clients --')
  .description(
    'Installs real clients, each of an exact version, into .cache/clients, runs them against the service at their defaults, and checks in the service that everything was delivered once, or that the client reported an error.',
  )
  .option('--only <names>', 'only these, comma-separated, or all whose name begins so', (names) =>
    names.split(',').map((name) => name.trim()),
  )
  .option('--quick', 'only those that CI runs each time: no Kafka, no Go', false)
  .option('--list', 'names the clients, and runs none', false)
  .option('--write-docs', `writes the table of ${PAGE}, and runs none`, false)
  .addHelpText(
    'after',
    `
Ends with 1 if a client fails or cannot be installed. One whose language or program is not on this machine is "not run",
which is a failure only with CI=true. The table is on stdout, progress on stderr.

Examples:
  npm run clients
  npm run clients -- --quick
  npm run clients -- --only kcat,kafkajs`,
  );

function chosen({ only, quick }: Options): Row[] {
  const rows = ROWS.filter(({ isQuick }) => isQuick || !quick);
  if (only === undefined) return rows;
  const begins = (row: Row, name: string) => row.name === name || row.name.startsWith(`${name} `);
  const unknown = only.filter((name) => !rows.some((row) => begins(row, name)));
  if (unknown.length > 0) program.error(`no such client: ${unknown.join(', ')} (--list names them)`);
  return rows.filter((row) => only.some((name) => begins(row, name)));
}

async function outcomeOf(row: Row, ground: TestCluster): Promise<Outcome> {
  const since = performance.now();
  const seconds = () => (performance.now() - since) / 1000;
  try {
    await row.check(await row.install(), ground);
    return { row, result: 'ok', seconds: seconds() };
  } catch (error) {
    const result = error instanceof MissingToolError ? 'not run' : 'FAILED';
    return { row, result, seconds: seconds(), why: (error as Error).message };
  }
}

async function runAll(rows: readonly Row[]): Promise<Outcome[]> {
  const ground = new TestCluster((text) => console.error(text));
  const outcomes: Outcome[] = [];
  const waiting = [...rows.entries()];
  const lanes = Array.from({ length: ROWS_AT_ONCE }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [at, row] = next;
      const outcome = await outcomeOf(row, ground);
      outcomes[at] = outcome;
      console.error(`${outcome.result}: ${row.name} (${outcome.seconds.toFixed(1)} s)`);
    }
  });
  try {
    await Promise.all(lanes);
  } finally {
    await ground.stop();
  }
  return outcomes;
}

function print(outcomes: readonly Outcome[]): void {
  const width = (of: (row: Row) => string) => Math.max(...outcomes.map(({ row }) => of(row).length));
  const widths = { name: width(({ name }) => name), version: width(({ version }) => version) };
  for (const { row, result } of outcomes) {
    const { name, version, checked } = row;
    const columns = [
      result.padEnd('not run'.length),
      name.padEnd(widths.name),
      version.padEnd(widths.version),
    ];
    console.log([...columns, checked].join('  '));
  }
  for (const { row, result, why } of outcomes.filter((outcome) => outcome.why !== undefined)) {
    console.log(`\n${row.name}: ${result}: ${why}`);
  }
}

async function main(options: Options): Promise<void> {
  if (options.writeDocs) return writeFileSync(PAGE, withTable(readFileSync(PAGE, 'utf8')));
  const rows = chosen(options);
  if (options.list) return console.log(rows.map(({ name, version }) => `${name} ${version}`).join('\n'));
  const outcomes = await runAll(rows);
  print(outcomes);
  const isFailure = ({ result }: Outcome) =>
    result === 'FAILED' || (result === 'not run' && process.env.CI === 'true');
  process.exitCode = outcomes.some(isFailure) ? 1 : 0;
}

await main(program.parse().opts<Options>());
