import { hash } from 'node:crypto';
import { drawPlan, type Plan } from './plan.ts';
import { carryOut, carryOutOne, type HistoryResult } from './run.ts';
import { shorten } from './shorten.ts';
import type { State } from './states.ts';

/** What a thread is to do. */
export type Task =
  /** Histories of these seeds, until so many broke a promise. */
  | { is: 'campaign'; seeds: Seeds; mostFailures: number; mutation?: string }
  /** The traces of these seeds, one by one or among each other. */
  | { is: 'traces'; seeds: readonly number[]; together: boolean };

interface Seeds {
  /** Before all others. */
  kept: readonly Plan[];
  /** Then `first`, `first + step` and so on: `count` of them, or for as long as there is time. */
  first: number;
  step: number;
  count: number | undefined;
}

export interface Failure {
  plan: Plan;
  shortened: Plan;
  violations: string[];
}

/** What a thread tells now and then. */
export interface Report {
  histories: number;
  seen: [State, number][];
  failures: Failure[];
  /** By seed: the digest of its trace. */
  traces: [number, string][];
}

const REPORT_EVERY = 200;

/** @param mayGoOn asked before each history */
export async function carryOutTask(
  task: Task,
  tell: (report: Report) => void,
  mayGoOn: () => boolean,
): Promise<void> {
  if (task.is === 'traces') return tell({ ...nothing(), traces: await traces(task.seeds, task.together) });
  const failed: HistoryResult[] = [];
  let report = nothing();
  const seen = new Map<State, number>();
  const send = () => {
    tell({ ...report, seen: [...seen] });
    report = nothing();
    seen.clear();
  };
  const plans = each(task.seeds);
  const next = () => {
    if (failed.length >= task.mostFailures || !mayGoOn()) return undefined;
    return plans.next().value;
  };
  await carryOut(next, (result) => {
    report.histories++;
    for (const state of result.seen) seen.set(state, (seen.get(state) ?? 0) + 1);
    if (result.violations.length > 0) failed.push(result);
    if (report.histories >= REPORT_EVERY) send();
  });
  for (const { plan, violations } of failed.slice(0, task.mostFailures)) {
    // Nobody need be told how a mutation fails, only that it does.
    const shortened = task.mutation === undefined ? await shorten(plan) : plan;
    report.failures.push({ plan, violations, shortened });
  }
  send();
}

function* each({ kept, first, step, count }: Seeds): Generator<Plan, undefined> {
  yield* kept;
  for (let at = 0; at !== count; at++) yield drawPlan(first + step * at);
  return undefined;
}

function nothing(): Report {
  return { histories: 0, seen: [], failures: [], traces: [] };
}

async function traces(seeds: readonly number[], together: boolean): Promise<[number, string][]> {
  const found: [number, string][] = [];
  const lines = new Map(seeds.map((seed) => [seed, [] as string[]]));
  const digest = (seed: number) => hash('sha256', lines.get(seed)!.join('\n'));
  if (!together) {
    for (const seed of seeds) {
      await carryOutOne(drawPlan(seed), lines.get(seed));
      found.push([seed, digest(seed)]);
    }
    return found;
  }
  const left = seeds.toReversed();
  await carryOut(
    () => (left.length > 0 ? drawPlan(left.shift()!) : undefined),
    ({ plan: { seed } }) => found.push([seed, digest(seed)]),
    ({ seed }) => lines.get(seed),
  );
  return found;
}
