import { describe, expect, it } from 'vitest';
import { Meter } from '../../../src/observability/meter.ts';
import { accounts, registerLedger } from '../../../src/processing/ledger.ts';
import type { PartitionPosition } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { replacing } from '../../support/replacing.ts';

const NEW: PartitionPosition = {
  topicId: 'id',
  partition: 0,
  epoch: 1,
  startOffset: null,
  offset: null,
  stored: 0,
  duplicates: 0,
  deadLettered: 0,
  withoutRecord: 0,
  expired: 0,
  lost: 0,
  rewound: 0,
};

const ALL: PartitionPosition = {
  ...NEW,
  startOffset: 10,
  offset: 100,
  rewound: 7,
  stored: 1,
  duplicates: 2,
  deadLettered: 4,
  withoutRecord: 8,
  expired: 32,
  lost: 16,
};

describe('the account of a partition', () => {
  it('has every offset that was passed in one of its counts, those that were rewound once more', () => {
    expect(accounts([ALL])).toEqual([
      {
        partition: 0,
        passed: 97,
        stored: 1,
        duplicates: 2,
        deadLettered: 4,
        withoutRecord: 8,
        expired: 32,
        lost: 16,
        rewound: 7,
        unaccounted: 97 - 63,
      },
    ]);
  });

  it('has nothing before anything was processed', () => {
    expect(accounts([NEW])).toMatchObject([{ passed: 0, unaccounted: 0 }]);
    expect(accounts([{ ...NEW, offset: 5, stored: 5 }])).toMatchObject([{ passed: 5, unaccounted: 0 }]);
    expect(accounts([])).toEqual([]);
  });

  it('is of all topics that had its name, each by itself', () => {
    const back = { ...NEW, topicId: 'back', startOffset: 0, offset: 1, stored: 5 };
    const moved = { ...NEW, topicId: 'moved', startOffset: 0, offset: 4, stored: 2 };
    const other = { ...NEW, partition: 3, startOffset: 0, offset: 2, stored: 2 };
    // What was moved back does not make up for what was moved forward.
    expect(accounts([back, other, moved])).toMatchObject([
      { partition: 0, passed: 5, stored: 7, unaccounted: 2 },
      { partition: 3, passed: 2, stored: 2, unaccounted: 0 },
    ]);
  });
});

describe('the metric of the ledger', () => {
  const valuesOf = async ({ registry }: Meter) =>
    Object.fromEntries(
      (await registry.getSingleMetric('footfall_ledger_records')!.get()).values.map(({ labels, value }) => [
        `${labels.partition} ${labels.outcome}`,
        value,
      ]),
    );

  it('shows what the store says at each scrape, and nothing while it does not answer', async () => {
    const meter = new Meter();
    let positions = async () => [ALL];
    const asked: string[][] = [];
    const store = replacing(new MemoryStore(), 'positions', () => (...of) => {
      asked.push(of);
      return positions();
    });
    registerLedger(meter, { store, group: 'group', topic: 'events' });
    expect(await valuesOf(meter)).toEqual({
      '0 passed': 97,
      '0 stored': 1,
      '0 duplicates': 2,
      '0 deadLettered': 4,
      '0 withoutRecord': 8,
      '0 expired': 32,
      '0 lost': 16,
      '0 rewound': 7,
      '0 unaccounted': 34,
    });
    expect(asked).toEqual([['group', 'events']]);
    positions = () => Promise.reject(new Error('away'));
    expect(await valuesOf(meter)).toEqual({});
  });
});
