import { Command } from 'commander';
import { drawPlan, type Plan } from './plan.ts';
import { carryOut, carryOutOne, type HistoryResult } from './run.ts';
import { STATES, type State } from './states.ts';

const PROGRESS_EVERY_MS = 5000;

const program = new Command()
  .name('npm run simulate --')
  .description(
    'Runs the real consumer, processor, dead letters, watchdog and progress on a log and a store in memory, in virtual time. The seed decides what happens between any two awaits; the checker of the torture judges each history.',
  )
  .option('--histories <number>', 'how many, unless --minutes are given', '10000')
  .option('--minutes <number>', 'go on for so long')
  .option('--seed <number>', 'of the first history; the next ones count on', '1')
  .option('--replay <seed>', 'one history, with its trace')
  .option('--meta <number>', 'see that so many seeds, run twice, give the same trace')
  .addHelpText(
    'after',
    `
Examples:
  npm run simulate -- --histories 100000
  npm run simulate -- --minutes 10 --seed 7
  npm run simulate -- --replay 19
  npm run simulate -- --meta 200`,
  );

const options = program.parse().opts<{
  histories: string;
  minutes?: string;
  seed: string;
  replay?: string;
  meta?: string;
}>();

/** The same seed must give the same history, to the byte: without that a seed says nothing. */
async function isReproducible(first: number, count: number): Promise<boolean> {
  for (let seed = first; seed < first + count; seed++) {
    const traces: string[][] = [[], []];
    for (const trace of traces) await carryOutOne(drawPlan(seed), trace);
    const [one, other] = traces as [string[], string[]];
    if (one.join('\n') === other.join('\n')) continue;
    const at = one.findIndex((line, index) => line !== other[index]);
    console.log(`Seed ${seed} gives two traces, which part at line ${at + 1}:\n${one[at]}\n${other[at]}`);
    return false;
  }
  console.log(`${count} seeds, each run twice, gave the same trace.`);
  return true;
}

/** The plan without the steps that the failure does not need. */
async function shortened(plan: Plan): Promise<Plan> {
  let shortest = plan;
  for (let at = plan.steps.length - 1; at >= 0; at--) {
    const steps = shortest.steps.filter((_, index) => index !== at);
    const shorter = { ...shortest, steps };
    if (steps.length > 0 && (await carryOutOne(shorter)).violations.length > 0) shortest = shorter;
  }
  return shortest;
}

async function explain({ plan, violations }: HistoryResult): Promise<void> {
  console.log(`\nVIOLATED with seed ${plan.seed}:`);
  for (const violation of violations) console.log(`  ${violation}`);
  console.log('It takes no more than:');
  for (const step of (await shortened(plan)).steps) console.log(`  ${JSON.stringify(step)}`);
  console.log(`Its trace: npm run simulate -- --replay ${plan.seed}`);
}

async function replay(seed: number): Promise<boolean> {
  const trace: string[] = [];
  const result = await carryOutOne(drawPlan(seed), trace);
  console.log(trace.join('\n'));
  if (result.violations.length > 0) await explain(result);
  return result.violations.length === 0;
}

async function campaign(first: number): Promise<boolean> {
  const startedAt = performance.now();
  const minutes = options.minutes === undefined ? undefined : Number(options.minutes);
  const endsAt = minutes === undefined ? Number.POSITIVE_INFINITY : startedAt + minutes * 60_000;
  const last = minutes === undefined ? first + Number(options.histories) : Number.POSITIVE_INFINITY;
  const failures: HistoryResult[] = [];
  const seen = new Map<State, number>();
  let seed = first;
  let done = 0;
  let toldAt = startedAt;
  await carryOut(
    () => (seed < last && performance.now() < endsAt ? drawPlan(seed++) : undefined),
    (result) => {
      done++;
      if (result.violations.length > 0) failures.push(result);
      for (const state of result.seen) seen.set(state, (seen.get(state) ?? 0) + 1);
      if (performance.now() - toldAt < PROGRESS_EVERY_MS) return;
      toldAt = performance.now();
      const rate = (done / (toldAt - startedAt)) * 1000;
      const leftS = Number.isFinite(endsAt) ? (endsAt - toldAt) / 1000 : (last - first - done) / rate;
      console.log(`${done} histories, ${Math.round(rate)}/s, ${Math.ceil(leftS)} s left`);
    },
  );
  console.table(Object.fromEntries(STATES.map((state) => [state, { histories: seen.get(state) ?? 0 }])));
  for (const failure of failures.slice(0, 3)) await explain(failure);
  const unseen = STATES.filter((state) => !seen.has(state));
  if (unseen.length > 0) console.log(`NEVER REACHED, so nothing is known of it: ${unseen.join(', ')}`);
  console.log(`${done} histories from seed ${first} on: ${failures.length} broke a promise.`);
  return failures.length === 0 && unseen.length === 0;
}

async function run(): Promise<boolean> {
  if (options.meta !== undefined) return isReproducible(Number(options.seed), Number(options.meta));
  if (options.replay !== undefined) return replay(Number(options.replay));
  return campaign(Number(options.seed));
}

process.exit((await run()) ? 0 : 1);
