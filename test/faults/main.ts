import { Command } from 'commander';
import { FAULTS } from './faults.ts';
import { MUTATIONS } from './mutations.ts';
import { type TortureResult, torture } from './torture.ts';

/** Minutes. */
const SHORT = 5;

const program = new Command()
  .name('npm run torture --')
  .description(
    'Runs the real service on a real Kafka and a real PostgreSQL under load, breaks things by a plan that the seed decides, and checks the history: what clients were told, what the topic holds, what the store holds.',
  )
  .option('--seed <number>', 'decides faults, victims and times', String(Date.now() % 100_000))
  .option(
    '--minutes <number>',
    `how long; every fault is used at least once, below ${SHORT} without variants`,
    '6',
  )
  .option('--only <cases>', 'only these faults, by case or name, comma-separated')
  .option('--instances <number>', 'instances of the service', '3')
  .option(
    '--mutations [names]',
    'take out one guarantee after the other (these, or "all"; else the quick ones), and see that the checker notices',
    false,
  )
  .addHelpText(
    'after',
    `
Examples:
  npm run torture -- --minutes 6 --seed 1
  npm run torture -- --only F2,F19 --minutes 2
  npm run torture -- --only 'broker killed,broker frozen'
  npm run torture -- --mutations all
  npm run torture -- --mutations 'no fencing,commit before store'

Fault cases:
${FAULTS.map(({ cases, name }) => `  ${cases.join(', ').padEnd(9)} ${name}`).join('\n')}

Mutations:
${Object.keys(MUTATIONS)
  .map((name) => `  ${name}`)
  .join('\n')}`,
  );

const options = program.parse().opts<{
  seed: string;
  minutes: string;
  only?: string;
  instances: string;
  mutations: boolean | string;
}>();
const seed = Number(options.seed);
const say = (text: string) => console.log(text);

function namesIn(list: string): string[] {
  return list.split(',').map((name) => name.trim());
}

function chosen(only: string | undefined, minutes: number) {
  if (only === undefined) return FAULTS.filter(({ isVariant }) => !isVariant || minutes >= SHORT);
  const wanted = namesIn(only);
  const faults = FAULTS.filter(({ cases, name }) => [name, ...cases].some((one) => wanted.includes(one)));
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
  const result = await torture({
    seed,
    minutes,
    faults: chosen(options.only, minutes),
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

function chosenMutations(names: boolean | string): string[] {
  if (names === 'all') return Object.keys(MUTATIONS);
  if (typeof names === 'boolean') return Object.keys(MUTATIONS).filter((name) => MUTATIONS[name]!.isQuick);
  const wanted = namesIn(names);
  const unknown = wanted.filter((name) => MUTATIONS[name] === undefined);
  if (unknown.length > 0) throw new Error(`there is no mutation ${unknown}; --help lists them`);
  return wanted;
}

async function isNoticed(mutation: string, name: string): Promise<boolean> {
  const fault = FAULTS.find((one) => one.name === name)!;
  const say = (text: string) => console.log(`without "${mutation}": ${text.trimStart()}`);
  const { violations } = await torture({
    seed,
    minutes: 0,
    faults: Array.from({ length: MUTATIONS[mutation]!.times ?? 1 }, () => fault),
    instances: 2,
    mutation,
    say,
  });
  for (const violation of violations) say(`  noticed: ${violation}`);
  const isSeen = violations.some((violation) => MUTATIONS[mutation]!.notices.test(violation));
  if (!isSeen) say(`  NOT NOTICED under "${name}"`);
  return isSeen;
}

/** Two at a time: most of each is waiting. */
async function everyMutationIsNoticed(names: boolean | string): Promise<boolean> {
  const runs = chosenMutations(names).flatMap((mutation) =>
    MUTATIONS[mutation]!.under.map((fault) => ({ mutation, fault })),
  );
  let all = true;
  const work = async () => {
    for (let run = runs.shift(); run !== undefined; run = runs.shift()) {
      const isSeen = await isNoticed(run.mutation, run.fault);
      all &&= isSeen;
    }
  };
  await Promise.all([work(), work()]);
  return all;
}

process.exit((await (options.mutations ? everyMutationIsNoticed(options.mutations) : tortureOnce())) ? 0 : 1);
