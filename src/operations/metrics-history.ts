// In: metrics and progress, every ten seconds. Out: rates, lag and latencies of the last twelve hours.
import type { Clock } from '../clock.ts';
import type { Logger } from '../observability/logger.ts';
import type { PartitionProgress } from '../processing/progress.ts';

export const SAMPLE_EVERY_MS = 10_000;
/** About 400 kB of samples. */
export const METRICS_KEPT_MS = 12 * 3_600_000;
/** The quantile of latencies. */
const QUANTILE = 0.99;

/** One stretch of time. What was not known then, or has no events to measure, is null. */
export interface Sample {
  /** When it ended: milliseconds since 1970. */
  at: number;
  /** Records written to the topic a second, by whichever instance. */
  written: number | null;
  /** Records processed a second, by whichever instance of the group. */
  processed: number | null;
  /** Events and requests this instance refused a second. */
  rejected: number | null;
  /** Records that are not stored. */
  lag: number | null;
  /** Age of the oldest of them in seconds. */
  lagSeconds: number | null;
  /** 99 of 100 appends to the log took at most so many seconds. */
  appendSeconds: number | null;
  /** 99 of 100 batches were stored in at most so many seconds. */
  storeSeconds: number | null;
}

export interface MetricsHistoryOptions {
  /** In the format of Prometheus: of all processes of this instance. */
  metrics(): Promise<string>;
  progress: { readonly partitions: readonly PartitionProgress[]; readonly isCurrent: boolean };
  clock: Clock;
  logger: Logger;
  /** How long samples are kept. */
  keepMs: number;
}

/** Upper bounds of a histogram's buckets, ascending, and how many observations are at most as large. */
type Buckets = readonly (readonly [bound: number, observations: number])[];

interface Reading {
  /** By the clock that only moves forward. */
  readAt: number;
  rejected: number;
  append: Buckets;
  store: Buckets;
  partitions: readonly PartitionProgress[] | undefined;
}

/** Samples for as long as the instance runs, kept in memory: what happened in the night can be looked at in the morning. */
export class MetricsHistory {
  readonly #options: MetricsHistoryOptions;
  readonly #stopping = new AbortController();
  readonly #samples: Sample[] = [];
  #before: Reading | undefined;

  constructor(options: MetricsHistoryOptions) {
    this.#options = options;
  }

  /** Samples until `stop`. */
  async start(): Promise<void> {
    const { clock, logger } = this.#options;
    while (!this.#stopping.signal.aborted) {
      await this.#sample().catch((error) => logger.debug({ err: error }, 'metrics not sampled'));
      await clock.sleep(SAMPLE_EVERY_MS, this.#stopping.signal);
    }
  }

  /** A sample being taken is not waited for: it leaves nothing behind. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Oldest first. @param points at most so many: samples are merged evenly to fit */
  list({ lastMs, points }: { lastMs: number; points: number }): Sample[] {
    const recent = this.#samples.slice(-Math.ceil(lastMs / SAMPLE_EVERY_MS));
    const each = Math.ceil(recent.length / points);
    const merged: Sample[] = [];
    // From the newest back, so that the first may be of fewer.
    for (let end = recent.length; end > 0; end -= each) {
      merged.unshift(merge(recent.slice(Math.max(0, end - each), end)));
    }
    return merged;
  }

  async #sample(): Promise<void> {
    const { metrics, progress, clock, keepMs } = this.#options;
    const text = await metrics();
    const now: Reading = {
      readAt: clock.now(),
      rejected: sumOf(text, 'events_rejected_total'),
      append: bucketsOf(text, 'append_seconds'),
      store: bucketsOf(text, 'process_seconds'),
      partitions: progress.isCurrent ? progress.partitions : undefined,
    };
    if (this.#before !== undefined) this.#samples.push(difference(this.#before, now, clock.date()));
    this.#before = now;
    if (this.#samples.length > keepMs / SAMPLE_EVERY_MS) this.#samples.shift();
  }
}

function difference(before: Reading, now: Reading, date: Date): Sample {
  const seconds = (now.readAt - before.readAt) / 1000;
  const oldest = now.partitions?.flatMap(({ oldestWaiting }) => oldestWaiting?.getTime() ?? []) ?? [];
  const age = oldest.length === 0 ? 0 : Math.max(0, (date.getTime() - Math.min(...oldest)) / 1000);
  return {
    at: date.getTime(),
    written: moved('end', before, now, seconds),
    processed: moved('position', before, now, seconds),
    rejected: perSecond(now.rejected - before.rejected, seconds),
    lag: now.partitions?.reduce((sum, { lag }) => sum + lag, 0) ?? null,
    lagSeconds: now.partitions === undefined ? null : age,
    appendSeconds: quantile(since(before.append, now.append)),
    storeSeconds: quantile(since(before.store, now.store)),
  };
}

/** @returns null also where an offset went back: the log or the store was restored */
function moved(offset: 'end' | 'position', before: Reading, now: Reading, seconds: number): number | null {
  if (before.partitions === undefined || now.partitions === undefined) return null;
  const earlier = new Map(before.partitions.map((one) => [one.partition, one[offset]]));
  const sum = now.partitions.reduce((all, one) => all + one[offset] - (earlier.get(one.partition) ?? 0), 0);
  return perSecond(sum, seconds);
}

/** @returns null where a counter went back: a process of the instance was restarted */
function perSecond(sum: number, seconds: number): number | null {
  return sum < 0 || seconds <= 0 ? null : sum / seconds;
}

function since(before: Buckets, now: Buckets): Buckets {
  const earlier = new Map(before);
  return now.map(([bound, observations]) => [bound, observations - (earlier.get(bound) ?? 0)]);
}

/** Linear within a bucket, as `histogram_quantile` of Prometheus has it. */
function quantile(buckets: Buckets): number | null {
  const all = buckets.at(-1)?.[1] ?? 0;
  if (all <= 0) return null;
  const rank = all * QUANTILE;
  const at = buckets.findIndex(([, observations]) => observations >= rank);
  const [bound, observations] = buckets[at]!;
  const [lower, fewer] = buckets[at - 1] ?? [0, 0];
  if (bound === Number.POSITIVE_INFINITY) return lower;
  return lower + ((bound - lower) * (rank - fewer)) / (observations - fewer);
}

/** Rates are means; lag and latency are the worst, so that a short peak stays visible however much is merged. */
function merge(samples: readonly Sample[]): Sample {
  return {
    at: samples.at(-1)!.at,
    written: mean(samples.map(({ written }) => written)),
    processed: mean(samples.map(({ processed }) => processed)),
    rejected: mean(samples.map(({ rejected }) => rejected)),
    lag: worst(samples.map(({ lag }) => lag)),
    lagSeconds: worst(samples.map(({ lagSeconds }) => lagSeconds)),
    appendSeconds: worst(samples.map(({ appendSeconds }) => appendSeconds)),
    storeSeconds: worst(samples.map(({ storeSeconds }) => storeSeconds)),
  };
}

function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function worst(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

/** All series of a metric together. */
function sumOf(text: string, metric: string): number {
  const lines = text.matchAll(new RegExp(`^${metric}(?:\\{.*\\})? (\\S+)$`, 'gm'));
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}

function bucketsOf(text: string, metric: string): Buckets {
  const lines = text.matchAll(new RegExp(`^${metric}_bucket\\{.*?le="([^"]+)".*?\\} (\\S+)$`, 'gm'));
  return [...lines]
    .map(
      ([, bound, value]) =>
        [bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound), Number(value)] as const,
    )
    .sort(([one], [other]) => one - other);
}
