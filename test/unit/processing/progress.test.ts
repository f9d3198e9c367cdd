import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { TopicEnds } from '../../../src/log/event-log.ts';
import { Progress } from '../../../src/processing/progress.ts';
import type { PartitionPosition } from '../../../src/store/event-store.ts';
import { silentLogger } from '../../support/logger.ts';

const POSITION: PartitionPosition = {
  topicId: 'earlier',
  partition: 0,
  epoch: 1,
  startOffset: 0,
  offset: 4,
  stored: 4,
  duplicates: 0,
  deadLettered: 0,
  withoutRecord: 0,
  lost: 0,
  rewound: 0,
};

/** The progress after its first look. */
async function looked(ends: TopicEnds, positions: () => Promise<PartitionPosition[]>) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const progress = new Progress({
    log: { ends: async () => ends, timestamps: async (_, places) => places.map(() => undefined) },
    store: { positions },
    topic: 'events',
    group: 'group',
    clock: systemClock,
    logger: silentLogger,
    everyMs: 60_000,
    held: () => undefined,
    polled: () => resolve(),
  });
  progress.start();
  onTestFinished(() => progress.stop());
  await promise;
  return progress;
}

describe('the progress', () => {
  it('says what a position was moved past in a partition that only an earlier topic of the name had', async () => {
    const ends = { topicId: 'present', ends: new Map([[0, { end: 0, stable: 0 }]]) };
    const moved = { ...POSITION, partition: 1, offset: 24 };
    const progress = await looked(ends, async () => [POSITION, moved]);
    expect(progress.problem).toContain('partition 1: the position was moved past 20 records');
    expect(progress.partitions).toMatchObject([{ partition: 0, unaccounted: 0 }]);
  });

  it('takes nothing for waiting before the store has said once what is stored', async () => {
    const ends = { topicId: 'earlier', ends: new Map([[0, { end: 4, stable: 4 }]]) };
    const away = await looked(ends, () => Promise.reject(new Error('away')));
    expect(away.partitions).toEqual([]);
    const answered = await looked(ends, async () => [POSITION]);
    expect(answered.partitions).toMatchObject([{ partition: 0, lag: 0 }]);
  });
});
