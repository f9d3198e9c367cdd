import { describe, expect, it } from 'vitest';
import type { Poll } from '../../../src/processing/progress.ts';
import { type IdlePosition, type IdlePositions, Watchdog } from '../../../src/processing/watchdog.ts';
import type { PartitionPosition } from '../../../src/store/event-store.ts';
import { handClock } from '../../support/hand-clock.ts';

/** Milliseconds, by a clock that only the test moves. */
const STALLED_AFTER = 1000;
const IDLE: IdlePosition = { topicId: 'id', epoch: 2, stored: 5, rewound: 0, next: 5 };

function row(change: Partial<PartitionPosition> = {}): PartitionPosition {
  return {
    topicId: 'id',
    partition: 0,
    epoch: 2,
    startOffset: 0,
    offset: 5,
    rewound: 0,
    stored: 5,
    duplicates: 0,
    deadLettered: 0,
    withoutRecord: 0,
    expired: 0,
    lost: 0,
    ...change,
  };
}

function idle(...positions: Partial<IdlePosition>[]): IdlePositions {
  return new Map(positions.map((position, partition) => [partition, { ...IDLE, ...position }]));
}

function endsOf(stable: number, topicId = 'id'): Poll<IdlePositions>['ends'] {
  return { topicId, ends: new Map([0, 1].map((partition) => [partition, { end: stable + 10, stable }])) };
}

/** A watchdog, and what it called for. */
function setUp() {
  const clock = handClock();
  const moved: (readonly number[])[] = [];
  const stalled: (readonly number[])[] = [];
  const watchdog = new Watchdog({
    clock,
    stalledAfterMs: STALLED_AFTER,
    moved: (partitions) => moved.push(partitions),
    stalled: (partitions) => stalled.push(partitions),
  });
  return { clock, moved, stalled, watchdog };
}

/** What is called for after one look. */
function movedAfter(poll: Partial<Poll<IdlePositions>>, now = idle({})): readonly number[][] {
  const { watchdog, moved } = setUp();
  watchdog.look({ held: idle({}), ends: undefined, positions: undefined, ...poll }, now, false);
  return moved as number[][];
}

describe('the watchdog notices that the store stands elsewhere', () => {
  it.each<[string, PartitionPosition[]]>([
    ['has nothing of the partition', []],
    ['has another partition only', [row({ partition: 1 })]],
    ['has an earlier topic only', [row({ topicId: 'earlier' })]],
    ['has an earlier claim', [row({ epoch: 1 })]],
    ['is at another offset', [row({ offset: 3 })]],
    ['is at an offset that came again', [row({ rewound: 4 })]],
  ])('where it %s', (_, positions) => {
    expect(movedAfter({ positions })).toEqual([[0]]);
  });

  it('where the topic is another', () => {
    expect(movedAfter({ ends: endsOf(5, 'other') })).toEqual([[0]]);
    expect(movedAfter({ ends: endsOf(5, 'other'), positions: [row()] })).toEqual([[0]]);
    expect(movedAfter({ ends: endsOf(5) })).toEqual([]);
  });

  it('and not where it stands as it was left, did not answer, or has another claim', () => {
    expect(movedAfter({ positions: [row()] })).toEqual([]);
    expect(movedAfter({})).toEqual([]);
    expect(movedAfter({ positions: [row({ epoch: 3 })] })).toEqual([]);
    expect(movedAfter({ positions: [row({ epoch: 3, offset: 7 })] })).toEqual([]);
  });

  it.each<[string, Partial<IdlePosition>]>([
    ['stored something', { stored: 6 }],
    ['claimed again', { epoch: 3 }],
    ['was rewound', { rewound: 1 }],
    ['began with another topic', { topicId: 'other' }],
  ])('and not where the consumer itself has %s since the question', (_, change) => {
    expect(movedAfter({ positions: [] }, idle(change))).toEqual([]);
  });

  it('and not where the partition is no longer held or idle', () => {
    expect(movedAfter({ positions: [] }, new Map())).toEqual([]);
  });

  it('in the partitions in which it does, all at once', () => {
    const held = idle({}, {}, {});
    const positions = [row({ offset: 1 }), row({ partition: 1 })];
    expect(movedAfter({ held, positions }, held)).toEqual([[0, 2]]);
  });

  it('where a later claim of another member stands still', () => {
    const { watchdog, moved } = setUp();
    const look = (change: Partial<PartitionPosition>) =>
      watchdog.look({ held: idle({}), ends: undefined, positions: [row(change)] }, idle({}), false);
    look({ epoch: 3, offset: 6 });
    look({ epoch: 3, offset: 7 });
    look({ epoch: 4, offset: 7 });
    expect(moved).toEqual([]);
    // A poll without an answer in between changes nothing.
    watchdog.look({ held: idle({}), ends: undefined, positions: undefined }, idle({}), false);
    look({ epoch: 4, offset: 7 });
    expect(moved).toEqual([[0]]);
  });
});

describe('the watchdog notices that nothing is delivered', () => {
  /** Looks again after some time. */
  function looks() {
    const { clock, watchdog, stalled } = setUp();
    const look = (afterMs: number, stable: number, now: IdlePositions, isWorking = false) => {
      clock.advance(afterMs);
      watchdog.look({ held: now, ends: endsOf(stable), positions: undefined }, now, isWorking);
      return stalled.length;
    };
    return { look, stalled, watchdog };
  }

  it('where records have been there for so long, and begins again to wait then', () => {
    const { look, stalled, watchdog } = looks();
    expect(look(0, 6, idle({}))).toBe(0);
    expect(look(999, 6, idle({}))).toBe(0);
    expect(watchdog.stalledPartitions).toEqual([]);
    expect(look(1, 6, idle({}))).toBe(1);
    expect([stalled, watchdog.stalledPartitions]).toEqual([[[0]], [0]]);
    expect(look(1, 6, idle({}))).toBe(1);
    expect(watchdog.stalledPartitions).toEqual([]);
    expect(look(999, 6, idle({}))).toBe(1);
    expect(look(1, 6, idle({}))).toBe(2);
  });

  it('and not where there are none that can be read', () => {
    const { look } = looks();
    for (let time = 0; time < 5; time++) expect(look(1000, 5, idle({}))).toBe(0);
    // Now there are: they have waited since.
    expect(look(0, 6, idle({}))).toBe(0);
    expect(look(999, 6, idle({}))).toBe(0);
    expect(look(1, 6, idle({}))).toBe(1);
  });

  it('and not where the partition moves', () => {
    const { look } = looks();
    for (let next = 5; next < 10; next++) expect(look(1000, 20, idle({ next }))).toBe(0);
  });

  it('and not while something is being stored, nor before as long has passed since', () => {
    const { look } = looks();
    expect(look(0, 6, idle({}))).toBe(0);
    expect(look(1000, 6, idle({}), true)).toBe(0);
    expect(look(0, 6, idle({}))).toBe(0);
    expect(look(999, 6, idle({}))).toBe(0);
    expect(look(1, 6, idle({}))).toBe(1);
  });

  it('and not in a partition that was given away meanwhile, nor where the log did not answer', () => {
    const { look, watchdog, stalled } = looks();
    look(0, 6, idle({}, {}));
    look(500, 6, idle({}));
    look(500, 6, idle({}, {}));
    expect(stalled).toEqual([[0]]);
    watchdog.look({ held: idle({}), ends: undefined, positions: undefined }, idle({}), false);
    expect(stalled).toHaveLength(1);
    const unknown = new Map([[7, IDLE]]);
    for (let time = 0; time < 3; time++) look(1000, 6, unknown);
    expect(stalled).toHaveLength(1);
  });
});
