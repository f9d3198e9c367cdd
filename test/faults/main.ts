import { Command } from 'commander';
import { FAULTS } from './faults.ts';
import { MUTATIONS } from './mutations.ts';
import { seededRandom } from './random.ts';
import { type TortureResult, torture } from './torture.ts';

const program = new Command()
  .name('npm run torture --')
  .description(
    'Runs the real service on a real Kafka and a real PostgreSQL under load, breaks things by a plan that the seed decides, and checks the history: what clients were told, what the topic holds, what the store holds.',
  )
  .option('--seed <number>', 'decides faults, victims and times', String(Date.now() % 100_000))
  .option('--minutes <number>', 'how long; every fault is used at least once', '6')
  .option('--only <cases>', 'only these faults, by case or name, comma-separated')
  .option('--instances <number>', 'instances of the service', '3')
  .option('--mutations', 'take out one guarantee after the other and see that the checker notices', false)
  .addHelpText(
    'after',
    `
Examples:
  npm run torture -- --minutes 6 --seed 1
  npm run torture -- --only F2,F19 --minutes 2
  npm run torture -- --only 'broker killed,broker frozen'
  npm run torture -- --mutations

Fault cases:
${FAULTS.map(({ cases, name }) => `  ${cases.join(', ').padEnd(9)} ${name}`).join('\n')}`,
  );

const options = program.parse().opts<{
  seed: string;
  minutes: string;
  only?: string;
  instances: string;
  mutations: boolean;
}>();
const seed = Number(options.seed);
const say = (text: string) => console.log(text);

function chosen(only: string | undefined) {
  const wanted = only?.split(',').map((name) => name.trim());
  const faults = FAULTS.filter(
    ({ cases, name }) => !wanted || [name, ...cases].some((one) => wanted.includes(one)),
  );
  if (faults.length === 0) throw new Error(`no fault covers ${only}; --help lists them`);
  return faults;
}

function print({ counts, statuses, recoveries, peakMemoryMb, violations }: TortureResult): void {
  const worst = new Map<string, { times: number; 'worst s': number }>();
  for (const { fault, seconds } of recoveries) {
    const known = worst.get(fault) ?? { times: 0, 'worst s': 0 };
    worst.set(fault, {
      times: known.times + 1,
      'worst s': Math.max(known['worst s'], Number(seconds.toFixed(1))),
    });
  }
  say('\nRecovery, from the end of the fault until a new event of each partition is stored:');
  console.table(Object.fromEntries(worst));
  say(`Answers by status: ${JSON.stringify(statuses)}; most memory of an instance: ${peakMemoryMb} MB`);
  say(`History: ${JSON.stringify(counts)}`);
  for (const violation of violations) say(`VIOLATED ${violation}`);
}

async function tortureOnce(): Promise<boolean> {
  say(`seed ${seed}`);
  const minutes = Number(options.minutes);
  const random = seededRandom(seed);
  const result = await torture({
    seed,
    random,
    minutes,
    faults: chosen(options.only),
    instances: Number(options.instances),
    say,
  });
  print(result);
  const passed = result.violations.length === 0;
  say(
    passed
      ? '\nNothing lost, nothing twice, nothing out of order.'
      : `\nFAILED. Again: npm run torture -- --seed ${seed} --minutes ${minutes}${options.only ? ` --only ${options.only}` : ''}`,
  );
  return passed;
}

/** Faults under which each mutation shows. */
const REVEALING: Record<string, string> = {
  'commit before store': 'an instance is killed',
  'no fencing': 'F19',
  'no position in the transaction': 'F21',
};

async function everyMutationIsNoticed(): Promise<boolean> {
  let all = true;
  for (const mutation of Object.keys(MUTATIONS)) {
    say(`\nWithout a guarantee: ${mutation}`);
    const faults = chosen(REVEALING[mutation]);
    const { violations } = await torture({
      seed,
      random: seededRandom(seed),
      minutes: 0.35,
      faults,
      instances: 2,
      mutation,
      say,
    });
    for (const violation of violations) say(`  noticed: ${violation}`);
    if (violations.length === 0) say('  NOT NOTICED');
    all &&= violations.length > 0;
  }
  return all;
}

process.exit((await (options.mutations ? everyMutationIsNoticed() : tortureOnce())) ? 0 : 1);
