import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { FoundTime, TopicEnds } from '../../../src/log/event-log.ts';
import { Meter } from '../../../src/observability/meter.ts';
import { type Poll, Progress, registerProgress } from '../../../src/processing/progress.ts';
import type { PartitionPosition } from '../../../src/store/event-store.ts';
import { handClock } from '../../support/hand-clock.ts';
import { listeningLogger } from '../../support/logger.ts';
import { stopClock } from '../../support/stopped-clock.ts';

/** Milliseconds between polls, by a clock that only the test moves. */
const EVERY = 2000;
const POSITION: PartitionPosition = {
  topicId: 'present',
  partition: 0,
  epoch: 1,
  startOffset: 0,
  offset: 4,
  stored: 4,
  duplicates: 0,
  deadLettered: 0,
  withoutRecord: 0,
  expired: 0,
  lost: 0,
  rewound: 0,
};

/** A partition that is at this offset, all of it accounted for. */
function at(offset: number, partition = 0): PartitionPosition {
  return { ...POSITION, partition, offset, stored: offset };
}

/** The ends of partitions: of the first where it ends and what can be read, then of the second. */
function endsOf(...partitions: [end: number, stable?: number][]): TopicEnds {
  const ends = partitions.map(([end, stable = end], partition) => [partition, { end, stable }] as const);
  return { topicId: 'present', ends: new Map(ends) };
}

/** A progress whose log and store answer what they are told to, and which polls when it is told to. */
function setUp(answers: {
  ends?: () => Promise<TopicEnds>;
  positions?: () => Promise<PartitionPosition[]>;
  timestamps?: (offsets: number[]) => Promise<(FoundTime | undefined)[]>;
  isThrottled?: boolean;
}) {
  const clock = handClock();
  const { logger, lines } = listeningLogger();
  logger.level = 'debug';
  const given = {
    ends: async () => endsOf([4]),
    positions: async () => [at(4)],
    timestamps: async (offsets: number[]) => offsets.map((): FoundTime | undefined => undefined),
    isThrottled: false,
    ...answers,
  };
  const lookedUp: string[][] = [];
  const polls: Poll<number>[] = [];
  let held = 0;
  let looks = 0;
  const progress = new Progress<number>({
    log: {
      ends: () => given.ends(),
      async timestamps(_topic, places) {
        lookedUp.push(places.map(({ partition, offset }) => `${partition}:${offset}`));
        return given.timestamps(places.map(({ offset }) => offset));
      },
    },
    store: { positions: () => given.positions() },
    topic: 'events',
    group: 'group',
    clock,
    logger,
    everyMs: EVERY,
    isThrottled: () => given.isThrottled,
    held: () => held++,
    polled: (poll) => polls.push(poll),
  });
  onTestFinished(() => progress.stop());
  return {
    clock,
    progress,
    polls,
    lines,
    lookedUp,
    answer: (changed: typeof answers) => Object.assign(given, changed),
    /** Resolves when the next poll, and what it looks up, is over. */
    async poll() {
      const isWaiting = () => clock.sleeps.filter((ms) => ms === EVERY).length;
      looks++;
      if (looks === 1) progress.start();
      else clock.advance(EVERY);
      await expect.poll(isWaiting).toBe(looks);
    },
  };
}

describe('the progress', () => {
  it('says how far each partition is, by the last answers of log and store', async () => {
    const { poll, progress, answer } = setUp({
      ends: async () => endsOf([9], [3]),
      positions: async () => [at(4), { ...at(3, 1), topicId: 'earlier' }],
    });
    expect([progress.partitions, progress.isCurrent]).toEqual([[], false]);
    await poll();
    expect(progress.isCurrent).toBe(true);
    const first = { partition: 0, position: 4, end: 9, stable: 9, lag: 5, heldBack: 0, unmovedMs: 0 };
    expect(progress.partitions).toEqual([
      { ...first, oldestWaiting: undefined, unaccounted: 0 },
      {
        ...first,
        partition: 1,
        position: 0,
        end: 3,
        stable: 3,
        lag: 3,
        unaccounted: 0,
        oldestWaiting: undefined,
      },
    ]);
    const away = () => Promise.reject(new Error('away'));
    answer({ ends: away, positions: async () => [at(9)] });
    await poll();
    expect(progress.partitions[0]).toMatchObject({ position: 9, end: 9, lag: 0 });
    expect(progress.isCurrent).toBe(false);
    answer({ ends: async () => endsOf([12]), positions: away });
    await poll();
    expect(progress.partitions).toMatchObject([{ position: 9, end: 12, lag: 3 }]);
    expect(progress.isCurrent).toBe(false);
    // A log that went back ends before what is stored.
    answer({ ends: async () => endsOf([2]) });
    await poll();
    expect(progress.partitions).toMatchObject([{ position: 9, end: 2, lag: 0, heldBack: 0 }]);
  });

  it('says nothing of partitions until both have answered, and nothing of how long they waited before', async () => {
    const away = () => Promise.reject(new Error('away'));
    const { poll, progress, answer, lines } = setUp({ ends: away });
    await poll();
    expect([progress.partitions, progress.problem, progress.isCurrent]).toEqual([[], undefined, false]);
    expect(lines).toEqual([
      expect.objectContaining({
        msg: 'progress not known',
        err: expect.objectContaining({ message: 'away' }),
      }),
    ]);
    answer({ ends: async () => endsOf([4]) });
    await poll();
    expect(progress.partitions).toMatchObject([{ position: 4, end: 4 }]);
    const other = setUp({ positions: away });
    await other.poll();
    await other.poll();
    expect(other.progress.partitions).toEqual([]);
    other.answer({ positions: async () => [] });
    await other.poll();
    expect(other.progress.partitions).toMatchObject([{ position: 0, lag: 4, unmovedMs: 0 }]);
  });

  it('tells what each poll found, and what was held before it', async () => {
    const { poll, polls, answer } = setUp({});
    await poll();
    answer({ positions: () => Promise.reject(new Error('away')) });
    await poll();
    answer({ ends: () => Promise.reject(new Error('away')) });
    await poll();
    expect(polls).toEqual([
      { held: 0, ends: endsOf([4]), positions: [at(4)] },
      { held: 1, ends: endsOf([4]), positions: undefined },
      { held: 2, ends: undefined, positions: undefined },
    ]);
  });

  it('goes on without an answer that takes more than five seconds', async () => {
    const { clock, poll, progress, polls, answer } = setUp({});
    await poll();
    answer({ positions: () => new Promise(() => {}), ends: async () => endsOf([7]) });
    clock.advance(EVERY);
    await expect.poll(() => clock.sleeps.filter((ms) => ms === 5000)).toHaveLength(4);
    clock.advance(4999);
    await new Promise(setImmediate);
    expect(polls).toHaveLength(1);
    clock.advance(1);
    await expect.poll(() => polls).toHaveLength(2);
    expect(progress.partitions).toMatchObject([{ position: 4, end: 7 }]);
  });

  it('stops at once, whatever it is waiting for, and tells nothing of that', async () => {
    const { clock, progress, polls } = setUp({ ends: () => new Promise(() => {}) });
    progress.start();
    progress.start();
    await expect.poll(() => clock.sleeps).toHaveLength(2);
    await progress.stop();
    expect(polls).toEqual([]);
    const asleep = setUp({});
    await asleep.poll();
    await asleep.progress.stop();
    asleep.clock.advance(EVERY);
    await new Promise(setImmediate);
    expect(asleep.polls).toHaveLength(1);
  });

  it('says what a position was moved past in a partition that only an earlier topic of the name had', async () => {
    const earlier = { ...POSITION, topicId: 'earlier' };
    const { poll, progress } = setUp({
      ends: async () => endsOf([0]),
      positions: async () => [earlier, { ...earlier, partition: 1, offset: 24 }],
    });
    await poll();
    expect(progress.problem).toBe(
      'partition 1: the position was moved past 20 records that nobody processed: run "npm run verify"',
    );
    expect(progress.partitions).toMatchObject([{ partition: 0, unaccounted: 0 }]);
  });

  it('shows of a partition how many records its position was moved past', async () => {
    const { poll, progress } = setUp({ positions: async () => [{ ...POSITION, stored: 1 }] });
    await poll();
    expect(progress.partitions).toMatchObject([{ unaccounted: 3 }]);
  });

  it('takes nothing for waiting before the store has said once what is stored', async () => {
    const { poll, progress, answer } = setUp({ positions: () => Promise.reject(new Error('away')) });
    for (let time = 0; time < 9; time++) await poll();
    expect([progress.partitions, progress.problem]).toEqual([[], undefined]);
    answer({ positions: async () => [at(4)] });
    await poll();
    expect(progress.partitions).toMatchObject([{ partition: 0, lag: 0, unmovedMs: 0 }]);
  });
});

describe('records that wait', () => {
  it('are a problem when none was stored for fifteen seconds', async () => {
    const { poll, progress, answer } = setUp({ ends: async () => endsOf([4], [6]) });
    for (let time = 0; time < 8; time++) await poll();
    expect(progress.partitions).toMatchObject([{ unmovedMs: 0 }, { unmovedMs: 14_000 }]);
    expect(progress.problem).toBeUndefined();
    await poll();
    const words = 'partition 1: 6 records wait, and no member of group "group" has stored any for 16 s';
    expect(progress.problem).toBe(words);
    // One is stored: they have waited since.
    answer({ positions: async () => [at(4), at(1, 1)] });
    await poll();
    expect(progress.problem).toBeUndefined();
    await poll();
    expect(progress.partitions[1]).toMatchObject({ lag: 5, unmovedMs: 2000 });
    answer({ positions: async () => [at(4), at(6, 1)] });
    await poll();
    expect(progress.partitions[1]).toMatchObject({ lag: 0, unmovedMs: 0 });
  });

  it('are held back where a transaction before them is open, and it is said since when', async () => {
    const opened = Date.parse('2024-02-14T10:30:00.000Z');
    const { poll, progress, answer } = setUp({
      ends: async () => endsOf([9, 6]),
      timestamps: async (offsets) => offsets.map((offset) => opened + offset),
    });
    await poll();
    // What can be read comes first.
    expect(progress.partitions).toMatchObject([{ lag: 5, heldBack: 0 }]);
    answer({ positions: async () => [at(6)] });
    for (let time = 0; time < 9; time++) await poll();
    expect(progress.partitions).toMatchObject([{ lag: 3, heldBack: 3 }]);
    expect(progress.problem).toBe(
      'partition 0: 3 records are held back by an open transaction since 2024-02-14T10:30:00.006Z',
    );
    answer({ positions: async () => [at(7)], timestamps: async () => [undefined] });
    for (let time = 0; time < 9; time++) await poll();
    expect(progress.partitions).toMatchObject([{ heldBack: 2 }]);
    expect(progress.problem).toContain('since an unknown time');
  });

  it('are shown with the time of the oldest, which is looked up once', async () => {
    const { poll, progress, answer, lookedUp } = setUp({
      ends: async () => endsOf([9], [2]),
      positions: async () => [at(4), at(2, 1)],
      timestamps: async (offsets) => offsets.map((offset) => 1000 + offset),
    });
    await poll();
    await poll();
    expect(progress.partitions.map(({ oldestWaiting }) => oldestWaiting)).toEqual([
      new Date(1004),
      undefined,
    ]);
    expect(lookedUp).toEqual([['0:4']]);
    answer({ positions: async () => [at(5), at(2, 1)], timestamps: () => Promise.reject(new Error('away')) });
    await poll();
    expect(progress.partitions[0]!.oldestWaiting).toBeUndefined();
    await poll();
    expect(lookedUp.slice(1)).toEqual([['0:5'], ['0:5']]);
    answer({ timestamps: async () => [undefined] });
    await poll();
    await poll();
    expect(progress.partitions[0]!.oldestWaiting).toBeUndefined();
    expect(lookedUp.slice(3)).toEqual([['0:5']]);
  });

  it('are shown with the time of an older one while a quota keeps us from looking, until all are stored', async () => {
    const { poll, progress, answer } = setUp({
      ends: async () => endsOf([9]),
      positions: async () => [at(4)],
      timestamps: async () => [1000],
    });
    await poll();
    answer({ positions: async () => [at(5)], timestamps: async () => ['not served'] });
    await poll();
    expect(progress.partitions[0]!.oldestWaiting).toEqual(new Date(1000));
    answer({ positions: async () => [at(9)] });
    await poll();
    answer({ ends: async () => endsOf([12]) });
    await poll();
    expect(progress.partitions[0]).toMatchObject({ lag: 3, oldestWaiting: undefined });
  });

  it('are said to wait for a quota', async () => {
    const { poll, progress } = setUp({ positions: async () => [at(2)], isThrottled: true });
    for (let time = 0; time < 9; time++) await poll();
    expect(progress.problem).toMatch(
      /has stored any .* s: Kafka's quota for this client \(consumer_byte_rate\) is used up$/,
    );
  });

  it.each([5, 4])(
    'are none, and have no oldest, once the log ends at %d, where the store is or before',
    async (end) => {
      const { poll, progress, answer } = setUp({
        ends: async () => endsOf([9]),
        positions: async () => [at(5)],
        timestamps: async () => [1000],
      });
      await poll();
      expect(progress.partitions[0]!.oldestWaiting).toEqual(new Date(1000));
      answer({ ends: async () => endsOf([end]) });
      await poll();
      expect(progress.partitions[0]).toMatchObject({ lag: 0, oldestWaiting: undefined });
    },
  );

  it('in many partitions have eight looked up at a time, in turn', async () => {
    const { poll, lookedUp } = setUp({
      ends: async () => endsOf(...Array.from({ length: 10 }, (): [number] => [1])),
      positions: async () => [],
    });
    await poll();
    await poll();
    await poll();
    expect(lookedUp.map((places) => places.length)).toEqual([8, 2]);
    expect(new Set(lookedUp.flat()).size).toBe(10);
  });

  it('in many partitions that all move are looked up in turn, too', async () => {
    let position = 0;
    const partitions = Array.from({ length: 10 }, (_, partition) => partition);
    const { poll, lookedUp } = setUp({
      ends: async () => endsOf(...partitions.map((): [number] => [9])),
      positions: async () => {
        position++;
        return partitions.map((partition) => at(position, partition));
      },
    });
    await poll();
    await poll();
    await poll();
    const numbers = lookedUp.map((places) => places.map((place) => Number(place.split(':')[0])));
    expect(numbers).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7],
      [8, 9, 0, 1, 2, 3, 4, 5],
      [6, 7, 8, 9, 0, 1, 2, 3],
    ]);
  });
});

describe('the metrics of the progress', () => {
  it('show at each scrape what waits, for how long, and what is held back', async () => {
    stopClock();
    vi.setSystemTime(100_000);
    const meter = new Meter();
    const shown = { position: 0, end: 0, stable: 0, unmovedMs: 0, unaccounted: 0 };
    const partitions = [
      { ...shown, partition: 0, lag: 5, heldBack: 2, oldestWaiting: new Date(97_500) },
      { ...shown, partition: 1, lag: 1, heldBack: 0, oldestWaiting: undefined, unmovedMs: 1500 },
      { ...shown, partition: 2, lag: 1, heldBack: 0, oldestWaiting: new Date(200_000) },
    ];
    registerProgress(meter, { partitions });
    const values = async (name: string) =>
      (await meter.registry.getSingleMetric(name)!.get()).values.map(({ labels, value }) => [
        labels.partition,
        value,
      ]);
    expect(await values('footfall_consumer_lag_records')).toEqual([
      [0, 5],
      [1, 1],
      [2, 1],
    ]);
    expect(await values('footfall_consumer_lag_seconds')).toEqual([
      [0, 2.5],
      [1, 1.5],
      [2, 0],
    ]);
    partitions.pop();
    expect(await values('footfall_consumer_held_back_records')).toEqual([
      [0, 2],
      [1, 0],
    ]);
    expect(await values('footfall_consumer_lag_records')).toHaveLength(2);
  });
});
