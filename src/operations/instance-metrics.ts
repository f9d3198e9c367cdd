// Gauges read at each scrape: work in progress, dependencies, lag, the ledger, dead letters that wait, version and disk.
import { statfs } from 'node:fs/promises';
import packageJson from '../../package.json' with { type: 'json' };
import type { Clock } from '../clock.ts';
import { REJECTION_REASONS } from '../events/event.ts';
import { inTime, type Meter } from '../observability/meter.ts';
import { registerWork } from '../observability/metrics.ts';
import { registerLedger } from '../processing/ledger.ts';
import { type PartitionProgress, registerProgress } from '../processing/progress.ts';
import type { EventStore } from '../store/event-store.ts';
import { DEPENDENCIES, type Health } from './health.ts';

/** Counting looks at each dead letter: it may take a twentieth of the time, however many there are. */
const WAITING_REST = 20;

export interface InstanceState {
  work: Parameters<typeof registerWork>[1];
  liveTail: Parameters<typeof registerWork>[2];
  store: EventStore;
  group: string;
  topic: string;
  progress: { readonly partitions: readonly PartitionProgress[] };
  health: Pick<Health, 'check' | 'changedAt'>;
  clock: Pick<Clock, 'now'>;
  build: Build;
  /** Of the files that Footfall writes; undefined if it writes none. */
  folder: string | undefined;
}

/** What runs here, besides the version. */
interface Build {
  log: string;
  store: string;
  /** Of the process: in an instance of several, each has its own. */
  role: string;
}

export function registerInstance(meter: Meter, state: InstanceState): void {
  registerWork(meter, state.work, state.liveTail);
  registerLedger(meter, state);
  registerProgress(meter, state.progress);
  registerDependencies(meter, state.health);
  registerWaiting(meter, state);
  registerProcess(meter, state.build);
  registerDisk(meter, state.folder);
}

function registerDependencies(meter: Meter, health: InstanceState['health']): void {
  meter.gauge({
    name: 'dependency_up',
    help: '1 if the `log`, the `store` or processing (`consumer`) works, asked at each scrape; 0 if it does not, and `/readyz` says why.',
    labelNames: ['dependency'],
    aggregator: 'min',
    async collect(gauge) {
      const report = await health.check();
      for (const dependency of DEPENDENCIES) gauge.set({ dependency }, report[dependency].ok ? 1 : 0);
    },
  });
  meter.gauge({
    name: 'dependency_changed_timestamp_seconds',
    help: 'Since when it has worked, or has not, as far as this instance has seen.',
    labelNames: ['dependency'],
    aggregator: 'max',
    async collect(gauge) {
      await health.check();
      for (const [dependency, at] of health.changedAt) gauge.set({ dependency }, at.getTime() / 1000);
    },
  });
}

function registerWaiting(meter: Meter, { store, group, clock }: InstanceState): void {
  let counted: Map<string, number> | undefined;
  let nextAt = Number.NEGATIVE_INFINITY;
  meter.gauge({
    name: 'dead_letters_waiting',
    help: 'Dead letters that were not redriven, by reason; absent while the store cannot be read.',
    labelNames: ['reason'],
    aggregator: 'max',
    async collect(gauge) {
      const startedAt = clock.now();
      if (startedAt >= nextAt) {
        counted = await inTime(store.countWaiting(group)).catch(() => undefined);
        nextAt = clock.now() + WAITING_REST * (clock.now() - startedAt);
      }
      gauge.reset();
      if (counted === undefined) return;
      for (const reason of REJECTION_REASONS) gauge.set({ reason }, counted.get(reason) ?? 0);
    },
  });
}

function registerProcess(meter: Meter, { role, ...build }: Build): void {
  meter.gauge({
    name: 'build_info',
    help: 'Always 1: its labels say which version runs, on which Node.js, log and store.',
    labelNames: ['version', 'node', 'log', 'store'],
    aggregator: 'max',
    collect: (gauge) => gauge.set({ ...build, version: packageJson.version, node: process.versions.node }, 1),
  });
  meter.gauge({
    name: 'process_start_time_seconds',
    help: 'When the process started; of several processes of one role, the last that did.',
    labelNames: ['role'],
    aggregator: 'max',
    collect: (gauge) => gauge.set({ role }, performance.timeOrigin / 1000),
  });
  meter.gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of the process; of several processes of one role, the largest.',
    labelNames: ['role'],
    aggregator: 'max',
    collect: (gauge) => gauge.set({ role }, process.memoryUsage.rss()),
  });
}

function registerDisk(meter: Meter, folder: string | undefined): void {
  meter.gauge({
    name: 'disk_free_bytes',
    help: 'Free space where Footfall writes its own files; absent if it writes none.',
    aggregator: 'max',
    async collect(gauge) {
      gauge.reset();
      const disk = folder === undefined ? undefined : await statfs(folder).catch(() => undefined);
      if (disk !== undefined) gauge.set(disk.bavail * disk.bsize);
    },
  });
}
