// In: metrics and progress, every ten seconds. Out: rates, lag and latencies of the last twelve hours.
import type { Clock } from '../clock.ts';
import type { Logger } from '../observability/logger.ts';
import { sumOf } from '../observability/metrics-text.ts';
import type { PartitionProgress } from '../processing/progress.ts';

export const SAMPLE_EVERY_MS = 10_000;
/** About 400 kB of samples. */
export const METRICS_KEPT_MS = 12 * 3_600_000;
/** The quantile of latencies. */
const QUANTILE = 0.99;

/** One interval. Values that were unknown, or had no events to measure, are null. */
export interface Sample {
  /** When the interval ended: milliseconds since 1970. */
  at: number;
  /** Records written to the topic per second, by any instance. */
  written: number | null;
  /** Records processed per second, by any instance of the group. */
  processed: number | null;
  /** Events and requests rejected per second by this instance. */
  rejected: number | null;
  /** Records not stored yet. */
  lag: number | null;
  /** Age in seconds of the oldest of them. */
  lagSeconds: number | null;
  /** 99th percentile of append latency, in seconds. */
  appendSeconds: number | null;
  /** 99th percentile of the time to store a batch, in seconds. */
  storeSeconds: number | null;
}

interface MetricsHistoryOptions {
  /** In the Prometheus format, for all processes of this instance. */
  metrics(): Promise<string>;
  progress: { readonly partitions: readonly PartitionProgress[]; readonly isCurrent: boolean };
  clock: Clock;
  logger: Logger;
  /** How long samples are kept. */
  keepMs: number;
}

/** Upper bounds of a histogram's buckets, ascending, with the cumulative count of each. */
type Buckets = readonly (readonly [bound: number, observations: number])[];

interface Reading {
  /** By the monotonic clock. */
  readAt: number;
  rejected: number;
  append: Buckets;
  store: Buckets;
  partitions: readonly PartitionProgress[] | undefined;
}

/**
 * Takes samples for as long as the instance runs and keeps them in memory, so that last night can be inspected in the
 * morning.
 */
export class MetricsHistory {
  readonly #options: MetricsHistoryOptions;
  readonly #stopping = new AbortController();
  readonly #samples: { readAt: number; sample: Sample }[] = [];
  #before: Reading | undefined;

  constructor(options: MetricsHistoryOptions) {
    this.#options = options;
  }

  /** Takes samples until `stop`. */
  async start(): Promise<void> {
    const { clock, logger } = this.#options;
    while (!this.#stopping.signal.aborted) {
      await this.#sample().catch((error) => logger.debug({ err: error }, 'metrics not sampled'));
      await clock.sleep(SAMPLE_EVERY_MS, this.#stopping.signal);
    }
  }

  /** Does not wait for a sample in progress: it leaves nothing behind. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Oldest first. @param points the maximum: samples are merged evenly to fit */
  list({ lastMs, points }: { lastMs: number; points: number }): Sample[] {
    const since = this.#options.clock.now() - lastMs;
    const recent = this.#samples.filter(({ readAt }) => readAt > since).map(({ sample }) => sample);
    const each = Math.ceil(recent.length / points);
    const merged: Sample[] = [];
    // From the newest backwards, so that a smaller remainder comes first.
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
      rejected: sumOf(text, 'footfall_events_rejected_total'),
      append: bucketsOf(text, 'footfall_append_seconds'),
      store: bucketsOf(text, 'footfall_process_seconds'),
      partitions: progress.isCurrent ? progress.partitions : undefined,
    };
    const { readAt } = now;
    if (this.#before !== undefined) {
      this.#samples.push({ readAt, sample: difference(this.#before, now, clock.date()) });
    }
    this.#before = now;
    while (this.#samples.length > 0 && this.#samples[0]!.readAt <= readAt - keepMs) this.#samples.shift();
  }
}

function difference(before: Reading, now: Reading, date: Date): Sample {
  const seconds = (now.readAt - before.readAt) / 1000;
  return {
    at: date.getTime(),
    written: moved('end', before, now, seconds),
    processed: moved('position', before, now, seconds),
    rejected: perSecond(now.rejected - before.rejected, seconds),
    lag: now.partitions?.reduce((sum, { lag }) => sum + lag, 0) ?? null,
    lagSeconds: now.partitions === undefined ? null : ageOfOldest(now.partitions, date),
    appendSeconds: quantile(since(before.append, now.append)),
    storeSeconds: quantile(since(before.store, now.store)),
  };
}

/** @returns null if records wait, and it is not known of any since when */
function ageOfOldest(partitions: readonly PartitionProgress[], date: Date): number | null {
  const times = partitions.flatMap(({ oldestWaiting }) => oldestWaiting?.getTime() ?? []);
  if (times.length > 0) return Math.max(0, (date.getTime() - Math.min(...times)) / 1000);
  return partitions.some(({ lag }) => lag > 0) ? null : 0;
}

/** @returns null also if a partition is new, or went back: the log or the store was restored */
function moved(offset: 'end' | 'position', before: Reading, now: Reading, seconds: number): number | null {
  if (before.partitions === undefined || now.partitions === undefined) return null;
  const earlier = new Map(before.partitions.map((one) => [one.partition, one[offset]]));
  const moves = now.partitions.map((one) => one[offset] - (earlier.get(one.partition) ?? Number.NaN));
  if (!moves.every((move) => move >= 0)) return null;
  return perSecond(
    moves.reduce((sum, move) => sum + move, 0),
    seconds,
  );
}

/** @returns null if a counter went back: a process of the instance restarted */
function perSecond(sum: number, seconds: number): number | null {
  return sum < 0 || seconds <= 0 ? null : sum / seconds;
}

function since(before: Buckets, now: Buckets): Buckets {
  const earlier = new Map(before);
  return now.map(([bound, observations]) => [bound, observations - (earlier.get(bound) ?? 0)]);
}

/** Interpolates linearly within a bucket, like Prometheus's `histogram_quantile`. */
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

/** Rates are averaged; lag and latency take the maximum, so that short peaks stay visible after merging. */
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

function bucketsOf(text: string, metric: string): Buckets {
  const lines = text.matchAll(new RegExp(`^${metric}_bucket\\{.*?le="([^"]+)".*?\\} (\\S+)$`, 'gm'));
  return [...lines]
    .map(
      ([, bound, value]) =>
        [bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound), Number(value)] as const,
    )
    .sort(([one], [other]) => one - other);
}
