import { Command, InvalidArgumentError, Option } from 'commander';
import { benchAttacks } from './attacks.ts';
import { benchBatch } from './batch.ts';
import { benchCatchUp } from './catch-up.ts';
import { benchConsume } from './consume.ts';
import { benchCpu } from './cpu.ts';
import { benchCurves } from './curves.ts';
import { benchDisk } from './disk.ts';
import { drawCurves } from './draw.ts';
import { type BenchOptions, type Peer, TestCluster } from './ground.ts';
import { benchLatency } from './latency.ts';
import { toMarkdown } from './markdown.ts';
import { benchPlans } from './plans.ts';
import { benchPost } from './post.ts';
import { benchReads } from './reads.ts';
import { benchRoll } from './roll.ts';
import { holds, printRows, type Row, readRows, saveRows } from './rows.ts';
import { benchExplore, benchSeries } from './series.ts';
import { benchStart } from './start.ts';
import { benchTracing } from './tracing.ts';

const PARTS: Record<string, (ground: TestCluster, options: BenchOptions) => Promise<Row[]>> = {
  cpu: benchCpu,
  post: benchPost,
  batch: benchBatch,
  consume: benchConsume,
  latency: benchLatency,
  'catch-up': benchCatchUp,
  reads: benchReads,
  series: benchSeries,
  explore: benchExplore,
  start: benchStart,
  disk: benchDisk,
  curves: benchCurves,
  attacks: benchAttacks,
  tracing: benchTracing,
  plans: benchPlans,
  roll: benchRoll,
};

const program = new Command()
  .name('npm run bench --')
  .description(
    'Measures Footfall on a real Kafka and PostgreSQL, started for it. Each figure is held against a limit measured in the same run, since machines differ and are noisy.',
  )
  .addOption(new Option('--part <part...>', 'measure these only').choices(Object.keys(PARTS)))
  .option('--runs <number>', 'measurements of each, in turns', toNumber, 3)
  .option('--seconds <number>', 'length of one measurement under load', toNumber, 8)
  .option('--events <number>', 'size of backlogs and stores', toNumber, 2_000_000)
  .option('--rate <number>', 'requests a second while instances roll', toNumber, 500)
  .option(
    '--peer <name=url=command...>',
    'run this beside: started by the command, with KAFKA_BROKERS and KAFKA_TOPIC, it answers POST /events/generate at the URL',
    toPeer,
    [],
  )
  .option('--kafka-port <number>', 'port of the broker, for peers that want a certain one', toNumber, 0)
  .option(
    '--postgres <folder or url>',
    'another version of PostgreSQL: a folder with its initdb and postgres, or the address of a server, without a database',
  )
  .option('--profile <folder>', 'write a CPU profile of each Footfall process there, for a flame graph')
  .option('--show <file...>', 'print these kept results instead of measuring')
  .option('--json', 'print the result as JSON', false)
  .option('--markdown', 'print the result as a Markdown table', false)
  .option('--draw', 'draw the curves that were measured into docs/curves', false)
  .option('--save', 'keep the result in bench/results', false)
  .addHelpText(
    'after',
    `
Examples:
  npm run bench
  npm run bench -- --part cpu --events 300000   # CPU time for each request and event, on a machine that does other work, too
  npm run bench -- --part post --runs 5 --json
  npm run bench -- --part catch-up reads --events 200000
  npm run bench -- --part attacks --runs 2   # default settings under attack
  npm run bench -- --part tracing --runs 7 --events 200000   # CPU time with traces, against without
  npm run bench -- --part roll --rate 500   # three instances behind nginx, restarted one after the other; needs nginx and curl
  npm run bench -- --part disk --events 1000000   # bytes an event in PostgreSQL, by table and index
  npm run bench -- --part plans --events 10000000 --postgres /usr/lib/postgresql/15/bin   # what a query reads, and how long it takes
  npm run bench -- --part curves --events 10000000 --draw --save
  npm run bench -- --show bench/results/2026-11-23T0805.json --markdown   # the table of docs/performance.md, but for its rows of latency
  npm run bench -- --part batch --runs 1 --profile /tmp/profiles   # .cpuprofile: open it in Chrome's developer tools
  npm run bench -- --part post --kafka-port 9092 --peer 'limit=http://127.0.0.1:3600=/path/to/limit'

It ends with 1 when a figure is not as wanted.`,
  )
  .parse();

const options = program.opts<
  {
    part?: string[];
    runs: number;
    seconds: number;
    events: number;
    rate: number;
    peer: Peer[];
    kafkaPort: number;
    postgres?: string;
    profile?: string;
    show?: string[];
  } & Record<'json' | 'markdown' | 'draw' | 'save', boolean>
>();
const { runs, seconds, events, rate, peer: peers } = options;
const rows = options.show ? await readRows(options.show) : await measure();
if (options.json) console.log(JSON.stringify(rows, null, 2));
else if (options.markdown) console.log(toMarkdown(rows));
else printRows(rows);
if (options.draw) console.error(`Drawn: ${(await drawCurves(rows)).join(', ')}`);
if (options.save) console.error(`Kept in ${await saveRows(rows, { runs, seconds, events })}`);
if (rows.some((row) => holds(row) === false)) process.exitCode = 1;

async function measure(): Promise<Row[]> {
  const ground = await TestCluster.make(options);
  const measured: Row[] = [];
  try {
    for (const part of options.part ?? Object.keys(PARTS)) {
      await ground.settle();
      measured.push(...(await PARTS[part]!(ground, { runs, seconds, events, rate, peers })));
    }
    return measured;
  } finally {
    await ground.remove();
  }
}

function toNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

function toPeer(text: string, before: Peer[]): Peer[] {
  const [, name, url, command] = /^([^=]+)=([^=]+)=(.+)$/.exec(text) ?? [];
  if (command === undefined) throw new InvalidArgumentError('It must be NAME=URL=COMMAND.');
  return [...before, { name: name!, url: url!, command }];
}
