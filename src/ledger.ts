import { Gauge, type Registry } from 'prom-client';
import type { EventStore, PartitionPosition } from './store/event-store.ts';

/** One partition's account: what became of every offset since reading began. */
export interface PartitionAccount {
  partition: number;
  /** Offsets passed since reading began. */
  passed: number;
  stored: number;
  duplicates: number;
  deadLettered: number;
  withoutRecord: number;
  lost: number;
  /** Passed and in none of the counts: 0, or a promise is broken. */
  unaccounted: number;
}

/** The accounts of all partitions; those of earlier topics of the same name are added. */
export function accounts(positions: readonly PartitionPosition[]): PartitionAccount[] {
  return [...Map.groupBy(positions, ({ partition }) => partition)].map(([partition, own]) => {
    const sum = (count: (position: PartitionPosition) => number) =>
      own.reduce((total, one) => total + count(one), 0);
    const passed = sum(({ offset, startOffset }) => (offset ?? 0) - (startOffset ?? 0));
    const stored = sum((one) => one.stored);
    const duplicates = sum((one) => one.duplicates);
    const deadLettered = sum((one) => one.deadLettered);
    const withoutRecord = sum((one) => one.withoutRecord);
    const lost = sum((one) => one.lost);
    const unaccounted = passed - stored - duplicates - deadLettered - withoutRecord - lost;
    return { partition, passed, stored, duplicates, deadLettered, withoutRecord, lost, unaccounted };
  });
}

const OUTCOMES = [
  'passed',
  'stored',
  'duplicates',
  'deadLettered',
  'withoutRecord',
  'lost',
  'unaccounted',
] as const;

/** Shows the ledger at each scrape, read from the store; absent while the store cannot be asked, never a guess. */
export function registerLedger(registry: Registry, store: EventStore, group: string, topic: string): void {
  new Gauge({
    name: 'ledger_records',
    // Every process reads the same from the store.
    aggregator: 'first',
    help: 'What became of the offsets passed of a partition, by the store. `unaccounted` other than 0 is a broken promise: run `npm run verify`.',
    labelNames: ['partition', 'outcome'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const account of accounts(await store.positions(group, topic).catch(() => []))) {
        for (const outcome of OUTCOMES) this.set({ partition: account.partition, outcome }, account[outcome]);
      }
    },
  });
}
