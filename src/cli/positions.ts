import type { Command } from 'commander';
import type { Adapters, Looking } from '../adapters.ts';
import type { Config } from '../config/config.ts';
import { type PositionReset, planReset, resetPositions } from '../operations/reset-positions.ts';
import { verify } from '../operations/verify.ts';
import type { Context } from './context.ts';
import { whileLooking, withOwnAdapters } from './own-adapters.ts';
import { indexNumber } from './whole-number.ts';

interface ResetOptions {
  toEarliest?: boolean;
  toOffset?: number;
  partition?: number[];
  execute?: boolean;
  json?: boolean;
}

const NOT_IN_MEMORY = 'it is filled from the log at each start';
const OWN_FILE = 'With the embedded log or a SQLite store, stop the service first: one process has the file.';

export function addPositions(program: Command, context: Context): void {
  const positions = program
    .command('positions')
    .description('work on the positions from which processing continues');
  addShow(positions, context);
  addReset(positions, context);
}

function addShow(positions: Command, context: Context): void {
  positions
    .command('show')
    .description('print the position of each partition, and what became of the records before it')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Asks log and store themselves, so the service need not run. Uses its settings.
${OWN_FILE}

Examples:
  footfall positions show
  footfall positions show --json | jq '[.[].lag] | add'`,
    )
    .action(async ({ json }: { json?: boolean }) => {
      const rows = await whileLooking(context, NOT_IN_MEMORY, show);
      if (json) console.log(JSON.stringify(rows, null, 2));
      else console.table(rows);
    });
}

function addReset(positions: Command, context: Context): void {
  positions
    .command('reset')
    .description('set positions back, so that records are processed again')
    .option('--to-earliest', 'to the first record that the log holds')
    .option('--to-offset <offset>', 'to this offset of one partition', indexNumber)
    .option('--partition <numbers...>', 'only these partitions', collect)
    .option('--execute', 'do it; without, it only says what it would do')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Events that are stored already are not stored again: they count as duplicates. Running consumers continue from there
within seconds. A position cannot be moved forward, past records that nobody has processed. Uses the settings of the service.
${OWN_FILE}

Examples:
  footfall positions reset --to-earliest
  footfall positions reset --to-earliest --execute
  footfall positions reset --to-offset 1200 --partition 2 --execute`,
    )
    .action(async (options: ResetOptions, command: Command) => {
      if (Boolean(options.toEarliest) === (options.toOffset !== undefined)) {
        command.error('Say how far back: either --to-earliest or --to-offset.');
      }
      if (options.toOffset !== undefined && options.partition?.length !== 1) {
        command.error('--to-offset is for one partition: add --partition.');
      }
      // Also before it is done: at a wrong address, no topic or table is made.
      const planned = await whileLooking(context, NOT_IN_MEMORY, (found, config) =>
        planReset(targetOf(found, config, options)),
      );
      const done = options.execute
        ? await withOwnAdapters(context, NOT_IN_MEMORY, (own, config) => reset(own, config, options))
        : planned;
      print(done, options);
    });
}

function collect(text: string, before: number[] = []): number[] {
  return [...before, indexNumber(text)];
}

async function show({ log, store }: Looking, config: Config) {
  const { topicId, ends } = await log.ends(config.KAFKA_TOPIC);
  const positions = await store.positions(config.KAFKA_CONSUMER_GROUP, config.KAFKA_TOPIC);
  return [...ends].map(([partition, { end }]) => {
    const own = positions.find((one) => one.topicId === topicId && one.partition === partition);
    return {
      partition,
      position: own?.offset ?? null,
      end,
      lag: Math.max(0, end - (own?.offset ?? 0)),
      stored: own?.stored ?? 0,
      duplicates: own?.duplicates ?? 0,
      deadLettered: own?.deadLettered ?? 0,
      lost: own?.lost ?? 0,
      rewound: own?.rewound ?? 0,
    };
  });
}

function targetOf<Opened extends Looking>(
  { log, store }: Opened,
  config: Config,
  options: ResetOptions,
): { log: Opened['log']; store: Opened['store']; topic: string; group: string; to: 'earliest' | number } {
  return {
    log,
    store,
    topic: config.KAFKA_TOPIC,
    group: config.KAFKA_CONSUMER_GROUP,
    ...(options.partition && { partitions: options.partition }),
    to: options.toOffset ?? 'earliest',
  };
}

function reset(own: Adapters, config: Config, options: ResetOptions): Promise<PositionReset[]> {
  const target = targetOf(own, config, options);
  return resetPositions({
    ...target,
    findMissing: async () => {
      // It takes longer to load than most commands take.
      const { openCatalog } = await import('../service.ts');
      return (
        await verify({ ...target, catalog: openCatalog(config), from: 0, to: Number.POSITIVE_INFINITY })
      ).missing;
    },
  });
}

function print(resets: readonly PositionReset[], { execute = false, json }: ResetOptions): void {
  if (json) {
    console.log(JSON.stringify({ executed: execute, positions: resets }, null, 2));
    return;
  }
  console.table(resets.map((one) => ({ ...one, again: one.from === null ? 0 : one.from - one.to })));
  console.log(
    execute ? 'Done: these records are processed again.' : 'Nothing was changed. To do it, add --execute.',
  );
}
