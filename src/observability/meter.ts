// Makes every metric that Footfall has of its own, so that names and first values follow one rule.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { withDeadline } from '../clock.ts';

/** Other services have requests in flight, too: a name must say whose they are. */
export const PREFIX = 'footfall_';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** For labels whose values are known only later, such as partitions. */
export const KNOWN_LATER: readonly string[] = [];

/** Prometheus waits ten seconds for a scrape: a store that hangs must not take the other metrics with it. */
const SCRAPE_MS = 2000;

/** What a gauge asks the store for. @throws if it does not answer in time */
export function inTime<T>(work: Promise<T>): Promise<T> {
  return withDeadline(work, SCRAPE_MS, 'the store');
}

interface Description {
  /** Without the prefix. */
  name: string;
  help: string;
}

interface CounterDescription<Label extends string> extends Description {
  /** The values each label can have: every series starts at 0, or `increase()` would miss what happens first. */
  labels?: Record<Label, readonly string[]>;
}

interface GaugeDescription<Label extends string> extends Description {
  labelNames?: readonly Label[];
  /** How the values of several processes of an instance become one; default: their sum. */
  aggregator?: 'sum' | 'first' | 'min' | 'max';
  /** Called at each scrape. */
  collect(gauge: Gauge<Label>): void | Promise<void>;
}

interface HistogramDescription<Label extends string> extends Description {
  labelNames?: readonly Label[];
}

export class Meter {
  readonly registry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  counter<Label extends string = never>(description: CounterDescription<Label>): Counter<Label> {
    const { labels = {} as Record<Label, readonly string[]> } = description;
    const labelNames = Object.keys(labels) as Label[];
    const counter = new Counter({ ...this.#named(description), labelNames });
    for (const series of combinations(labels)) counter.inc(series, 0);
    return counter;
  }

  gauge<Label extends string = never>(description: GaugeDescription<Label>): void {
    const { labelNames = [], aggregator = 'sum', collect } = description;
    new Gauge({
      ...this.#named(description),
      labelNames,
      aggregator,
      collect() {
        return collect(this);
      },
    });
  }

  /** Of seconds. */
  histogram<Label extends string = never>(description: HistogramDescription<Label>): Histogram<Label> {
    const { labelNames = [] } = description;
    return new Histogram({ ...this.#named(description), labelNames, buckets: SECONDS });
  }

  #named({ name, help }: Description) {
    return { name: `${PREFIX}${name}`, help, registers: [this.registry] };
  }
}

/** Every combination of the labels' values. */
function combinations<Label extends string>(
  labels: Record<Label, readonly string[]>,
): Partial<Record<Label, string>>[] {
  let series: Partial<Record<Label, string>>[] = [{}];
  for (const [name, values] of Object.entries<readonly string[]>(labels)) {
    series = series.flatMap((one) => values.map((value) => ({ ...one, [name]: value })));
  }
  return series;
}
