import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

const RESULTS_FOLDER = 'bench/results';

/** One figure: what was measured in each run, and the limit it is held against. */
export interface Row {
  /** Of the bench. */
  part: string;
  what: string;
  unit: string;
  runs: number[];
  /** What was reached in the same runs by what it is compared with. */
  limit?: { name: string; runs: number[] };
  /** What it is to be: of the limit where there is one, else the figure itself. */
  wanted?: { atLeast: number } | { atMost: number };
  /** Runs differ by more than what is looked for: their median is to be as wanted, not each of them. */
  byMedian?: true;
  /** Beside the figure: latencies, memory, who sent. */
  notes?: string;
  /** The curve it is a point of. */
  curve?: CurvePoint;
}

export interface CurvePoint {
  name: CurveName;
  x: number;
  p99Ms: number;
}

/** What cost is looked at against. */
export type CurveName = 'connections' | 'event-size' | 'partitions' | 'rows' | 'instances';

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** The figure in relation to its limit, run by run: noise of the machine meets both. */
export function ratios({ runs, limit }: Row): number[] {
  return limit === undefined ? [] : runs.map((value, run) => value / limit.runs[run]!);
}

/** Whether every run is as wanted, or their median; undefined where nothing is wanted. */
export function holds(row: Row): boolean | undefined {
  const { wanted, limit, runs } = row;
  if (wanted === undefined) return undefined;
  const each = limit === undefined ? runs : ratios(row);
  const values = row.byMedian ? [median(each)] : each;
  return values.every((value) => ('atLeast' in wanted ? value >= wanted.atLeast : value <= wanted.atMost));
}

/** As a table for people. */
export function printRows(rows: readonly Row[]): void {
  console.table(
    rows.map((row) => ({
      part: row.part,
      what: row.what,
      min: rounded(Math.min(...row.runs)),
      median: rounded(median(row.runs)),
      max: rounded(Math.max(...row.runs)),
      unit: row.unit,
      ratio: row.limit ? rounded(median(ratios(row))) : '',
      of: row.limit?.name ?? '',
      wanted: wantedText(row),
      holds: { true: 'yes', false: 'NO', undefined: '' }[String(holds(row))],
      notes: row.notes ?? '',
    })),
  );
}

export function wantedText({ wanted }: Row): string {
  if (wanted === undefined) return '';
  return 'atLeast' in wanted ? `≥ ${wanted.atLeast.toFixed(2)}` : `≤ ${wanted.atMost}`;
}

function rounded(value: number): number {
  return Number(value.toPrecision(value >= 1000 ? 6 : 3));
}

/** Keeps the rows with machine and date, under a name made of the date. @returns the path */
export async function saveRows(rows: readonly Row[], options: object): Promise<string> {
  const date = new Date().toISOString();
  const [cpu] = cpus();
  const machine = {
    cpu: cpu?.model,
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    commit: commit(),
  };
  await mkdir(RESULTS_FOLDER, { recursive: true });
  const path = join(RESULTS_FOLDER, `${date.slice(0, 16).replace(':', '')}.json`);
  await writeFile(path, `${JSON.stringify({ date, machine, options, rows }, null, 2)}\n`);
  return path;
}

/** The rows of kept results. */
export async function readRows(paths: readonly string[]): Promise<Row[]> {
  const kept = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
  return kept.flatMap((text) => (JSON.parse(text) as { rows: Row[] }).rows);
}

function commit(): string | undefined {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return undefined;
  }
}
