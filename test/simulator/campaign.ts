import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Plan } from './plan.ts';
import type { State } from './states.ts';
import type { Failure, Report, Task } from './tasks.ts';

export const THREADS = availableParallelism();

/** What histories came to, those of all threads together. */
export interface Outcome {
  histories: number;
  /** In how many histories each state was reached. */
  seen: Map<State, number>;
  failures: Failure[];
}

/** A thread at work. */
interface Running {
  /** Begins no more histories; ends those that have begun. */
  stop(): void;
  /** @throws what the thread threw */
  ended: Promise<void>;
}

function runTask(task: Task, tell: (report: Report) => void): Running {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: task });
  worker.on('message', tell);
  const ended = new Promise<void>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => resolve());
  });
  return { stop: () => worker.postMessage('stop'), ended };
}

interface CampaignOptions {
  kept: readonly Plan[];
  first: number;
  /** How many histories; undefined: until the time is over. */
  count: number | undefined;
  endsAt: number;
  mostFailures: number;
  progress(outcome: Outcome): void;
}

/** Divides seeds among as many threads as there are cores. */
export async function runCampaign(options: CampaignOptions): Promise<Outcome> {
  const { kept, first, count, endsAt, mostFailures, progress } = options;
  const outcome: Outcome = { histories: 0, seen: new Map(), failures: [] };
  const threads = Array.from({ length: THREADS }, (_, thread) => {
    const share = count === undefined ? undefined : Math.ceil((count - thread) / THREADS);
    const seeds = { kept: thread === 0 ? kept : [], first: first + thread, step: THREADS, count: share };
    return runTask({ is: 'campaign', seeds, mostFailures }, (report) => {
      add(outcome, report);
      progress(outcome);
      const isOver = performance.now() >= endsAt || outcome.failures.length >= mostFailures;
      if (isOver) for (const { stop } of threads) stop();
    });
  });
  await Promise.all(threads.map(({ ended }) => ended));
  return outcome;
}

/** @returns the first of so many histories that breaks a promise with this mutation; undefined: none does */
export async function findMutation(mutation: string, count: number): Promise<Failure | undefined> {
  const outcome: Outcome = { histories: 0, seen: new Map(), failures: [] };
  const seeds = { kept: [], first: 1, step: 1, count };
  await runTask({ is: 'campaign', seeds, mostFailures: 1, mutation }, (report) => add(outcome, report)).ended;
  return outcome.failures[0];
}

/** @returns how many of these histories break a promise with this mutation */
export async function countFound(mutation: string, kept: readonly Plan[]): Promise<number> {
  const outcome: Outcome = { histories: 0, seen: new Map(), failures: [] };
  const seeds = { kept, first: 1, step: 1, count: 0 };
  const task: Task = { is: 'campaign', seeds, mostFailures: kept.length, mutation };
  await runTask(task, (report) => add(outcome, report)).ended;
  return outcome.failures.length;
}

function add(outcome: Outcome, { histories, seen, failures }: Report): void {
  outcome.histories += histories;
  outcome.failures.push(...failures);
  for (const [state, count] of seen) outcome.seen.set(state, (outcome.seen.get(state) ?? 0) + count);
}

/** @returns the seeds whose trace depends on what else runs: one by one, or many among each other */
export async function unreproducible(seeds: readonly number[]): Promise<number[]> {
  const runs = [new Map<number, string>(), new Map<number, string>()] as const;
  const threads = runs.map((traces, at) =>
    runTask({ is: 'traces', seeds, together: at === 1 }, (report) => {
      for (const [seed, digest] of report.traces) traces.set(seed, digest);
    }),
  );
  await Promise.all(threads.map(({ ended }) => ended));
  return seeds.filter((seed) => runs[0].get(seed) === undefined || runs[0].get(seed) !== runs[1].get(seed));
}
