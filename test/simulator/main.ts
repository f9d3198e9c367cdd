import { isDeepStrictEqual } from 'node:util';
import { Command } from 'commander';
import { countFound, findMutation, type Outcome, runCampaign, THREADS, unreproducible } from './campaign.ts';
import { forbidTheRealWorld } from './guards.ts';
import { KEPT } from './kept-histories.ts';
import { MUTATIONS } from './mutations.ts';
import { drawPlan, type Plan } from './plan.ts';
import { carryOutOne } from './run.ts';
import { STATES } from './states.ts';
import type { Failure } from './tasks.ts';

const PROGRESS_EVERY_MS = 5000;
/** After so many failures a campaign has shown what there was to show. */
const MOST_FAILURES = 3;
/** Each mutation must be found within so many histories. */
const MUTATION_HISTORIES = 10_000;

const program = new Command()
  .name('npm run simulate --')
  .description(
    'Runs the real consumer, processor, dead letters, watchdog, progress and live tail on a log and a store in memory, in virtual time. The seed decides what happens between any two awaits; the checker of the torture judges each history. Histories that once failed are run first.',
  )
  .option('--histories <number>', 'how many, unless --minutes are given', '10000')
  .option('--minutes <number>', 'go on for so long')
  .option('--seed <number>', 'of the first history; the next ones count on', '1')
  .option('--replay <seed>', 'one history, with its trace; k3 is the third of those that are kept')
  .option('--meta <number>', 'see that so many seeds, run twice, give the same trace')
  .option(
    '--mutations',
    'see that each fault, put into the code in memory, is found: in the history that is kept for it, else in others',
  )
  .option('--search', 'with --mutations: each must be found in histories from seed 1 on')
  .addHelpText(
    'after',
    `
Examples:
  npm run simulate -- --histories 100000
  npm run simulate -- --minutes 10 --seed 7
  npm run simulate -- --replay 19
  npm run simulate -- --meta 200
  npm run simulate -- --mutations`,
  );

const options = program.parse().opts<{
  histories: string;
  minutes?: string;
  seed: string;
  replay?: string;
  meta?: string;
  mutations?: boolean;
  search?: boolean;
}>();

/** The same seed must give the same history, to the byte: without that a seed says nothing. */
async function isReproducible(first: number, count: number): Promise<boolean> {
  const seeds = Array.from({ length: count }, (_, at) => first + at);
  const differing = await unreproducible(seeds);
  for (const seed of differing) console.log(`Seed ${seed} gives another trace when others run beside it.`);
  if (differing.length === 0) console.log(`${count} seeds, each run twice, gave the same trace.`);
  return differing.length === 0;
}

function explain({ plan, shortened, violations }: Failure): void {
  console.log(`\nVIOLATED with seed ${nameOf(plan)}:`);
  for (const violation of violations) console.log(`  ${violation}`);
  console.log('It takes no more than:');
  console.log(`  ${JSON.stringify({ ...shortened, steps: undefined })}`);
  for (const step of shortened.steps) console.log(`  ${JSON.stringify(step)}`);
  console.log(`Its trace: npm run simulate -- --replay ${nameOf(plan)}`);
}

/** What a person calls a plan: by its seed, or by its place among those that are kept. */
function nameOf(plan: Plan): string {
  const at = KEPT.findIndex((kept) => isDeepStrictEqual(kept.plan, plan));
  return at === -1 ? String(plan.seed) : `k${at + 1}`;
}

async function replay(name: string): Promise<boolean> {
  forbidTheRealWorld();
  const trace: string[] = [];
  const plan = name.startsWith('k') ? KEPT[Number(name.slice(1)) - 1]!.plan : drawPlan(Number(name));
  const { violations } = await carryOutOne(plan, trace);
  console.log(trace.join('\n'));
  for (const violation of violations) console.log(`VIOLATED: ${violation}`);
  return violations.length === 0;
}

async function campaign(first: number): Promise<boolean> {
  const startedAt = performance.now();
  const minutes = options.minutes === undefined ? undefined : Number(options.minutes);
  const endsAt = minutes === undefined ? Number.POSITIVE_INFINITY : startedAt + minutes * 60_000;
  const count = minutes === undefined ? Number(options.histories) : undefined;
  let toldAt = startedAt;
  const progress = ({ histories }: Outcome) => {
    if (performance.now() - toldAt < PROGRESS_EVERY_MS) return;
    toldAt = performance.now();
    const rate = (histories / (toldAt - startedAt)) * 1000;
    const leftS = count === undefined ? (endsAt - toldAt) / 1000 : (count - histories) / rate;
    console.log(`${histories} histories, ${Math.round(rate)}/s, ${Math.max(0, Math.ceil(leftS))} s left`);
  };
  const kept = KEPT.map(({ plan }) => plan);
  const { histories, seen, failures } = await runCampaign({
    kept,
    first,
    count,
    endsAt,
    mostFailures: MOST_FAILURES,
    progress,
  });
  console.table(Object.fromEntries(STATES.map((state) => [state, { histories: seen.get(state) ?? 0 }])));
  for (const failure of failures.slice(0, MOST_FAILURES)) explain(failure);
  const unseen = STATES.filter((state) => !seen.has(state));
  if (unseen.length > 0) console.log(`NEVER REACHED, so nothing is known of it: ${unseen.join(', ')}`);
  const tookS = Math.round((performance.now() - startedAt) / 1000);
  console.log(
    `${histories} histories from seed ${first} on, ${tookS} s: ${failures.length} broke a promise.`,
  );
  return failures.length === 0 && unseen.length === 0;
}

/** As many at a time as there are cores. */
async function findsMutations(): Promise<boolean> {
  const names = Object.keys(MUTATIONS);
  const missed: string[] = [];
  const stale: string[] = [];
  const work = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      const kept = KEPT.filter(({ mutation }) => mutation === name).map(({ plan }) => plan);
      const shown = kept.length === 0 ? 0 : await countFound(name, kept);
      if (shown < kept.length) stale.push(name);
      if (shown > 0 && !options.search) {
        console.log(`${name}: found in the history that is kept for it`);
        continue;
      }
      const failure = await findMutation(name, MUTATION_HISTORIES);
      if (failure === undefined) missed.push(name);
      const found = failure && `found with seed ${failure.plan.seed}: ${failure.violations[0]}`;
      console.log(`${name}: ${found ?? `NOT FOUND in ${MUTATION_HISTORIES} histories`}`);
    }
  };
  await Promise.all(Array.from({ length: THREADS }, work));
  for (const name of stale) console.log(`${name}: no longer in the history that is kept for it`);
  return missed.length === 0 && stale.length === 0;
}

async function run(): Promise<boolean> {
  if (options.mutations) return findsMutations();
  if (options.meta !== undefined) return isReproducible(Number(options.seed), Number(options.meta));
  if (options.replay !== undefined) return replay(options.replay);
  return campaign(Number(options.seed));
}

process.exit((await run()) ? 0 : 1);
