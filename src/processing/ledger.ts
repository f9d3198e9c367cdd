import { inTime, type Meter } from '../observability/meter.ts';
import type { EventStore, PartitionPosition } from '../store/event-store.ts';

/** The account of one partition: the outcome of every offset since reading began. */
export interface PartitionTally {
  partition: number;
  /** Offsets passed since reading began; rewound ones count each time they are passed. */
  passed: number;
  stored: number;
  duplicates: number;
  deadLettered: number;
  withoutRecord: number;
  /** Too old to be kept. */
  expired: number;
  lost: number;
  rewound: number;
  /** Offsets passed that no count covers: 0, unless somebody moved the position forward or a guarantee is broken. */
  unaccounted: number;
}

/** The accounts of all partitions; those of earlier topics with the same name are added. */
export function accounts(positions: readonly PartitionPosition[]): PartitionTally[] {
  return [...Map.groupBy(positions, ({ partition }) => partition)].map(([partition, own]) => {
    const sum = (count: (position: PartitionPosition) => number) =>
      own.reduce((total, one) => total + count(one), 0);
    return {
      partition,
      passed: sum(passedBy),
      stored: sum((one) => one.stored),
      duplicates: sum((one) => one.duplicates),
      deadLettered: sum((one) => one.deadLettered),
      withoutRecord: sum((one) => one.withoutRecord),
      expired: sum((one) => one.expired),
      lost: sum((one) => one.lost),
      rewound: sum((one) => one.rewound),
      unaccounted: sum(unaccountedBy),
    };
  });
}

function passedBy({ offset, startOffset, rewound }: PartitionPosition): number {
  return (offset === null ? 0 : offset - (startOffset ?? 0)) + rewound;
}

/**
 * After a position was moved back by hand, more is counted than passed until the next claim books the difference as
 * rewound.
 */
function unaccountedBy(position: PartitionPosition): number {
  const { stored, duplicates, deadLettered, withoutRecord, expired, lost } = position;
  const counted = stored + duplicates + deadLettered + withoutRecord + expired + lost;
  return Math.max(0, passedBy(position) - counted);
}

const OUTCOMES = [
  'passed',
  'stored',
  'duplicates',
  'deadLettered',
  'withoutRecord',
  'expired',
  'lost',
  'rewound',
  'unaccounted',
] as const;

/** Exposes the ledger at each scrape, read from the store; absent, never estimated, while the store is unreachable. */
export function registerLedger(
  meter: Meter,
  { store, group, topic }: { store: EventStore; group: string; topic: string },
): void {
  meter.gauge({
    name: 'ledger_records',
    // Every process reads the same values from the store.
    aggregator: 'first',
    help: 'Offsets the position has passed in each partition, by outcome, as recorded in the store. If `unaccounted` is not 0, a promise is broken: run `npm run verify`.',
    labelNames: ['partition', 'outcome'],
    async collect(gauge) {
      gauge.reset();
      for (const account of accounts(await inTime(store.positions(group, topic)).catch(() => []))) {
        for (const outcome of OUTCOMES)
          gauge.set({ partition: account.partition, outcome }, account[outcome]);
      }
    },
  });
}
