import { randomUUID } from 'node:crypto';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Catalog } from '../../../src/events/catalog.ts';
import type {
  AssignedPartition,
  EventLog,
  LogBatch,
  RecordPosition,
  SubscribeOptions,
} from '../../../src/log/event-log.ts';
import { NO_EPOCH } from '../../../src/log/landmarks.ts';
import { Meter } from '../../../src/observability/meter.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { Consumer } from '../../../src/processing/consumer.ts';
import { Processor } from '../../../src/processing/processor.ts';
import { ALL_KEPT, FencedError, type StoreBatch } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { handClock } from '../../support/hand-clock.ts';
import { listeningLogger } from '../../support/logger.ts';
import { replacing } from '../../support/replacing.ts';
import { newBatch, newEvent } from '../../support/store-batches.ts';

const REF = { group: 'group', topic: 'events', topicId: 'id' };

/** A reading that the consumer asked the log for. */
interface Reading extends SubscribeOptions {
  deliver(...read: LogBatch[]): void;
  fail(error: Error): void;
}

/** A transaction that the store was asked for. */
interface Transaction {
  batches: readonly StoreBatch[];
  end(): void;
  fail(error: Error): void;
}

function assigned(partition: number, change: Partial<AssignedPartition> = {}): AssignedPartition {
  const { topic, topicId } = REF;
  const has = async () => true;
  return { topic, topicId, partition, earliest: 0, end: 100, hasOffset: has, isCurrent: has, ...change };
}

/** A batch of these offsets, each an event. */
function batch(partition: number, from: number, to: number, change: Partial<LogBatch> = {}): LogBatch {
  const records = Array.from({ length: to - from }, (_, at) => {
    const value = `{"eventId":"${randomUUID()}","userId":"u","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00.000Z","payload":{}}`;
    const timestampType = 'CreateTime' as const;
    return {
      offset: from + at,
      key: null,
      value: Buffer.from(value),
      headers: [],
      timestamp: 1,
      timestampType,
    };
  });
  const { topic, topicId } = REF;
  const place = { topic, topicId, partition, fetchedFrom: from, nextOffset: to, leaderEpoch: NO_EPOCH };
  return { ...place, records, isAssigned: () => true, commit() {}, ...change };
}

/** A consumer of a log that delivers what it is told to, into a store whose transactions end when they are told to. */
function setUp() {
  const clock = handClock({ random: 1 });
  const { logger, lines } = listeningLogger();
  const metrics = createMetrics(new Meter());
  const readings: Reading[] = [];
  const delivered: LogBatch[] = [];
  const log = {
    subscribe(options: SubscribeOptions) {
      return new ReadableStream<LogBatch[]>({
        start(controller) {
          options.signal.addEventListener('abort', () => controller.close());
          const deliver = (...read: LogBatch[]) => {
            delivered.push(...read);
            controller.enqueue(read);
          };
          readings.push({ ...options, deliver, fail: (error) => controller.error(error) });
        },
      });
    },
    async read(_topic: string, places: readonly RecordPosition[]) {
      return places.map(({ partition, offset }) =>
        delivered
          .filter((one) => one.partition === partition)
          .flatMap(({ records }) => records)
          .find((record) => record.offset === offset),
      );
    },
  } as unknown as EventLog;
  const store = new MemoryStore();
  const transactions: Transaction[] = [];
  const held = replacing(store, 'process', (real) => async (batches) => {
    const { promise, resolve: end, reject: fail } = Promise.withResolvers<void>();
    transactions.push({ batches, end, fail });
    await promise;
    return real(batches);
  });
  const { group, topic } = REF;
  const shared = { log, store: held, group, logger, metrics };
  const processor = new Processor({
    ...shared,
    catalog: new Catalog(),
    countedProperties: [],
    onStored: () => {},
    onDuplicates: () => {},
    logEvery: 0,
  });
  const consumer = new Consumer({ ...shared, topic, processor, clock, stalledAfterMs: 1000 });
  onTestFinished(async () => {
    for (const { end } of transactions) end();
    await consumer.stop();
  });
  return {
    consumer,
    clock,
    log,
    store,
    readings,
    transactions,
    lines,
    said: () => lines.map(({ msg }) => msg),
    count: async (name: string) => (await metrics.registry.getSingleMetric(name)!.get()).values,
    /** The consumer started, with these partitions given to it. */
    async reading(...partitions: AssignedPartition[]) {
      consumer.start();
      const [reading] = readings as [Reading];
      const start = await reading.onAssigned(partitions);
      return { ...reading, start };
    },
    /** Resolves when so many transactions were begun. @returns the last of them */
    async begun(number: number) {
      await expect.poll(() => transactions.length, { interval: 1 }).toBe(number);
      return transactions.at(-1)!;
    },
  };
}

/** Partition 0 is processed up to a record at offset 4, which the log does not have. */
async function standAt5(store: MemoryStore): Promise<void> {
  const { epoch } = (await store.claim(REF, [0]))[0]!;
  const landmarks = [{ offset: 4, leaderEpoch: NO_EPOCH, digest: 'of that record' }];
  await store.process([newBatch([], { ...REF, epoch, nextOffset: 5, landmarks })]);
}

/** Lets everything happen that waits for nothing else. */
const settled = () => new Promise(setImmediate);

describe('a batch', () => {
  it('is stored from where the store stands, and then committed', async () => {
    const { reading, begun, consumer, store } = setUp();
    const { deliver, start } = await reading(assigned(0), assigned(1, { earliest: 7 }));
    expect(start.positions).toEqual(
      new Map([
        [0, { offset: 0, leaderEpoch: NO_EPOCH }],
        [1, { offset: 7, leaderEpoch: NO_EPOCH }],
      ]),
    );
    const idle = {
      topicId: 'id',
      epoch: 1,
      stored: null,
      rewound: 0,
      next: 7,
      landmarks: [],
      keptDays: ALL_KEPT,
    };
    expect(consumer.idle.get(1)).toEqual(idle);
    const committed: number[] = [];
    deliver(batch(0, 0, 3, { commit: () => void committed.push(3) }));
    const first = await begun(1);
    expect(first.batches).toMatchObject([{ fromOffset: null, nextOffset: 3, startOffset: 0, epoch: 1 }]);
    // What is being stored is not idle.
    expect([...consumer.idle.keys()]).toEqual([1]);
    expect(committed).toEqual([]);
    first.end();
    deliver(batch(0, 3, 5, { commit: () => void committed.push(5) }));
    const second = await begun(2);
    expect(committed).toEqual([3]);
    expect(second.batches).toMatchObject([{ fromOffset: 3, nextOffset: 5 }]);
    expect(second.batches[0]!.landmarks.map(({ offset }) => offset)).toEqual([4, 2]);
    second.end();
    await expect.poll(() => committed, { interval: 1 }).toEqual([3, 5]);
    await settled();
    expect(consumer.idle.get(0)).toMatchObject({ stored: 5, next: 5, rewound: 0 });
    expect(await store.positions('group', 'events')).toMatchObject([
      { offset: 5, stored: 5 },
      { offset: null },
    ]);
  });

  it('is not stored again, and one that was stored in part is from there on', async () => {
    const { reading, begun } = setUp();
    const { deliver } = await reading(assigned(0));
    deliver(batch(0, 0, 4));
    (await begun(1)).end();
    deliver(batch(0, 0, 3));
    deliver(batch(0, 1, 4));
    deliver(batch(0, 2, 6));
    const [stored] = (await begun(2)).batches;
    expect(stored).toMatchObject({ fromOffset: 4, startOffset: 4, nextOffset: 6, withoutRecord: 0 });
    expect(stored!.events.map(({ offset }) => offset)).toEqual([4, 5]);
  });

  it('that moves the position past a gap is stored although it has no records', async () => {
    const { reading, begun, store } = setUp();
    const { epoch } = (await store.claim(REF, [0]))[0]!;
    await store.process([newBatch([], { ...REF, epoch, nextOffset: 2 })]);
    const given = reading(assigned(0, { earliest: 5 }));
    const { batches, end } = await begun(1);
    expect(batches).toMatchObject([{ fromOffset: 2, nextOffset: 5, lost: 3, events: [] }]);
    // Reading begins when the position is on its way, and goes on behind it.
    expect((await given).start.positions.get(0)!.offset).toBe(5);
    end();
    (await given).deliver(batch(0, 5, 6));
    expect((await begun(2)).batches).toMatchObject([{ fromOffset: 5, nextOffset: 6, lost: 0 }]);
  });

  it('without records is nothing to store where reading has only begun', async () => {
    const { reading, transactions, consumer } = setUp();
    const { deliver } = await reading(assigned(0, { earliest: 7 }));
    deliver(batch(0, 7, 7));
    await settled();
    expect([transactions, consumer.state]).toEqual([[], 'consuming']);
  });

  it('that takes the place of what the log has lost is booked as rewound, once', async () => {
    const { reading, begun, consumer, store } = setUp();
    await standAt5(store);
    const { deliver, start } = await reading(assigned(0));
    expect(start.positions.get(0)!.offset).toBe(0);
    deliver(batch(0, 0, 6));
    const first = await begun(1);
    expect(first.batches).toMatchObject([{ fromOffset: 5, startOffset: 0, fromRewound: 0, rewound: 5 }]);
    first.end();
    deliver(batch(0, 6, 7));
    const second = await begun(2);
    expect(second.batches).toMatchObject([{ fromOffset: 6, startOffset: 6, fromRewound: 5, rewound: 0 }]);
    second.end();
    await expect.poll(() => consumer.idle.get(0), { interval: 1 }).toMatchObject({ stored: 7, rewound: 5 });
  });

  it('is not begun while four transactions are under way, whatever else was read', async () => {
    const { reading, begun, transactions } = setUp();
    const partitions = [0, 1, 2, 3, 4, 5];
    const { deliver } = await reading(...partitions.map((partition) => assigned(partition)));
    // So many records that no two of them share a transaction.
    deliver(...partitions.map((partition) => batch(partition, 0, 600)));
    await begun(4);
    await settled();
    expect(transactions).toHaveLength(4);
    transactions[3]!.end();
    await begun(5);
    await settled();
    expect(transactions).toHaveLength(5);
    transactions[0]!.end();
    expect((await begun(6)).batches).toMatchObject([{ partition: 5 }]);
  });

  it('is left to the member that has its partition now', async () => {
    const { reading, transactions, consumer } = setUp();
    const { deliver, start } = await reading(assigned(0), assigned(1));
    const committed: number[] = [];
    deliver(batch(0, 0, 1, { isAssigned: () => false, commit: () => void committed.push(0) }));
    deliver(batch(2, 0, 1, { commit: () => void committed.push(2) }));
    await settled();
    expect([transactions, committed, start.restart!.aborted]).toEqual([[], [], false]);
    expect(consumer.state).toBe('consuming');
    expect([consumer.idle.get(0)!.next, consumer.idle.get(1)!.next]).toEqual([0, 0]);
  });

  it.each<[string, LogBatch]>([
    ['begins behind where the store stands', batch(0, 2, 3)],
    ['is of another topic of the name', batch(0, 0, 3, { topicId: 'other' })],
  ])('that %s is not stored: reading begins again, and that is said', async (_, strange) => {
    const { reading, transactions, lines, count } = setUp();
    const { deliver, start } = await reading(assigned(0));
    deliver(strange);
    deliver(strange);
    await settled();
    expect([transactions, start.restart!.aborted]).toEqual([[], true]);
    const msg =
      '[Consumer] Reading again from the positions in the store: a batch does not continue from there';
    expect(lines).toEqual([expect.objectContaining({ msg, topic: 'events', partitions: [0] })]);
    expect(await count('footfall_reading_restarts_total')).toMatchObject([{ value: 1 }]);
  });

  it('of a partition waits for the one before it, and not for those of other partitions', async () => {
    const { reading, begun, transactions } = setUp();
    const { deliver } = await reading(assigned(0), assigned(1));
    deliver(batch(0, 0, 1));
    deliver(batch(1, 0, 1));
    deliver(batch(0, 1, 2));
    await begun(2);
    transactions[1]!.end();
    await settled();
    expect(transactions).toHaveLength(2);
    transactions[0]!.end();
    expect((await begun(3)).batches).toMatchObject([{ partition: 0, fromOffset: 1 }]);
  });

  it('that could not be stored is tried again by itself, with those it was stored with tried apart', async () => {
    const { reading, begun, transactions, clock, consumer } = setUp();
    const { deliver, start } = await reading(assigned(0), assigned(1));
    deliver(batch(0, 0, 1), batch(1, 0, 1));
    const together = await begun(1);
    expect(together.batches.map(({ partition }) => partition)).toEqual([0, 1]);
    together.fail(new Error('away'));
    await expect.poll(() => clock.sleeps.length, { interval: 1 }).toBe(2);
    expect([consumer.state, consumer.reason]).toEqual(['recovering', 'partition 0 cannot be stored: away']);
    clock.advance(5000);
    await begun(3);
    expect(transactions.slice(1).map(({ batches }) => batches.map(({ partition }) => partition))).toEqual([
      [0],
      [1],
    ]);
    transactions[1]!.end();
    transactions[2]!.end();
    await expect.poll(() => consumer.state, { interval: 1 }).toBe('consuming');
    expect([consumer.reason, start.restart!.aborted]).toEqual([undefined, false]);
  });

  it('that the store refuses because it stands elsewhere ends the reading, unless it was one of several', async () => {
    const { reading, begun, clock, lines } = setUp();
    const { deliver, start } = await reading(assigned(0), assigned(1));
    const fenced = () => new FencedError({ topic: 'events', partition: 0, epoch: 1 });
    deliver(batch(0, 0, 1), batch(1, 0, 1));
    (await begun(1)).fail(fenced());
    await expect.poll(() => clock.sleeps.length, { interval: 1 }).toBe(2);
    expect(start.restart!.aborted).toBe(false);
    clock.advance(5000);
    const alone = await begun(3);
    alone.fail(fenced());
    await expect.poll(() => start.restart!.aborted, { interval: 1 }).toBe(true);
    const msg =
      '[Consumer] Reading again from the positions in the store: this batch no longer continues from there';
    expect(lines).toEqual([expect.objectContaining({ msg, partitions: [1] })]);
  });
});

describe('the consumer', () => {
  it('claims nothing any more, and has stopped, when it is stopped while the store is away', async () => {
    const { consumer, reading, store, clock } = setUp();
    vi.spyOn(store, 'claim').mockRejectedValue(new Error('away'));
    const given = reading(assigned(0));
    await expect.poll(() => clock.sleeps, { interval: 1 }).toEqual([100]);
    expect([consumer.state, consumer.reason]).toEqual(['recovering', 'the store cannot be reached: away']);
    await consumer.stop();
    expect((await given).start.positions.size).toBe(0);
    expect(consumer.state).toBe('stopped');
  });

  it('reads once however often it is started, and until it is stopped', async () => {
    const { consumer, reading, readings } = setUp();
    expect(consumer.state).toBe('starting');
    const { signal } = await reading(assigned(0));
    consumer.start();
    await settled();
    expect([readings.length, consumer.state]).toEqual([1, 'consuming']);
    await consumer.stop();
    expect([signal.aborted, consumer.state, readings.length]).toEqual([true, 'stopped', 1]);
  });

  it('finishes what it has begun when it is stopped, and begins nothing more', async () => {
    const { consumer, reading, begun, transactions } = setUp();
    const { deliver, signal } = await reading(assigned(0), assigned(1));
    deliver(batch(0, 0, 1));
    const { end } = await begun(1);
    const stopped = consumer.stop();
    deliver(batch(1, 0, 1));
    await settled();
    expect([consumer.state, signal.aborted, transactions.length]).toEqual(['consuming', false, 1]);
    end();
    await stopped;
    expect([consumer.state, transactions.length]).toEqual(['stopped', 1]);
  });

  it('takes nothing from a group that gives it nothing, and says that it is consuming', async () => {
    const { reading, consumer, store } = setUp();
    const { start } = await reading();
    expect([start.positions.size, consumer.state, consumer.idle.size]).toEqual([0, 'consuming', 0]);
    expect(await store.positions('group', 'events')).toEqual([]);
  });

  it('stores what it has read before it claims partitions again', async () => {
    const { reading, begun, store, consumer } = setUp();
    const { deliver, onAssigned, start } = await reading(assigned(0));
    deliver(batch(0, 0, 2));
    const { end } = await begun(1);
    const again = onAssigned([assigned(0), assigned(3)]);
    await settled();
    expect(await store.positions('group', 'events')).toMatchObject([{ epoch: 1 }]);
    end();
    const { positions, restart } = await again;
    expect(positions.get(0)!.offset).toBe(2);
    expect(restart).not.toBe(start.restart);
    expect(consumer.idle.get(0)).toMatchObject({ epoch: 2, stored: 2, next: 2 });
    await onAssigned([assigned(3)]);
    expect([...consumer.idle.keys()]).toEqual([3]);
  });

  it('reads the others while the log does not show of one where it starts, and says so until another has it', async () => {
    const { reading, store, consumer, said } = setUp();
    await standAt5(store);
    const notShown = assigned(0, { end: 4 });
    const { start, onAssigned } = await reading(notShown, assigned(1));
    expect([...start.positions.keys()]).toEqual([1]);
    const reason = expect.stringMatching(/^partition 0 cannot be read: .*does not show yet/);
    expect([consumer.state, consumer.reason]).toEqual(['recovering', reason]);
    await onAssigned([assigned(1), notShown]);
    expect(consumer.reason).toEqual(reason);
    expect(said()).toEqual(['[Consumer] partition 0 cannot be read; trying again until it works']);
    await onAssigned([assigned(1)]);
    expect([consumer.state, consumer.reason]).toEqual(['consuming', undefined]);
  });

  it('begins no reading where the log does not answer what it holds', async () => {
    const { reading, store, log } = setUp();
    await standAt5(store);
    vi.spyOn(log, 'read').mockRejectedValue(new Error('away'));
    await expect(reading(assigned(0))).rejects.toThrow('away');
  });

  it('joins the group again when reading fails, with pauses, and says so until it has partitions', async () => {
    const { reading, readings, consumer, clock, said } = setUp();
    const { fail } = await reading(assigned(0));
    fail(new Error('no broker'));
    await expect.poll(() => clock.sleeps, { interval: 1 }).toEqual([100]);
    expect([consumer.state, consumer.reason]).toEqual(['recovering', 'the log cannot be read: no broker']);
    clock.advance(100);
    await expect.poll(() => readings.length, { interval: 1 }).toBe(2);
    expect([consumer.idle.size, consumer.state]).toEqual([0, 'recovering']);
    await readings[1]!.onAssigned([assigned(0)]);
    expect([consumer.reason, consumer.state, consumer.idle.size]).toEqual([undefined, 'consuming', 1]);
    expect(said()).toEqual([
      '[Consumer] the log cannot be read; trying again until it works',
      '[Consumer] working again',
    ]);
  });

  it('says once that the store holds events of other topics', async () => {
    const { reading, store, lines } = setUp();
    await store.claim({ ...REF, topic: 'others' }, [0]);
    await store.process([newBatch([newEvent()], { ...REF, topic: 'others' })]);
    const { onAssigned } = await reading(assigned(0));
    await onAssigned([assigned(0)]);
    const msg = expect.stringContaining('This database also holds events of other topics');
    expect(lines).toEqual([expect.objectContaining({ msg, topic: 'events', others: ['others'] })]);
  });

  it('says that a topic was recreated, and reads it from its start', async () => {
    const { reading, store, lines } = setUp();
    const earlier = { ...REF, topicId: 'earlier' };
    await store.claim(earlier, [0]);
    await store.process([newBatch([newEvent()], { ...earlier, nextOffset: 50 })]);
    const { start } = await reading(assigned(0, { earliest: 3 }));
    expect(start.positions.get(0)!.offset).toBe(3);
    const msg = '[Consumer] The topic was recreated: reading it from its start';
    expect(lines).toEqual([expect.objectContaining({ msg, topic: 'events', partition: 0 })]);
  });

  it('reads again where the store was moved while nothing was stored, and says so', async () => {
    const { reading, consumer, said, count } = setUp();
    const { start } = await reading(assigned(0));
    const held = consumer.idle;
    consumer.polled({ held, ends: undefined, positions: [] });
    consumer.polled({ held, ends: undefined, positions: [] });
    expect(start.restart!.aborted).toBe(true);
    expect(said()).toEqual([
      '[Consumer] Reading again from the positions in the store: they are not where this instance left them',
    ]);
    expect(await count('footfall_reading_restarts_total')).toMatchObject([{ value: 1 }]);
  });

  it('joins again where nothing is delivered although there are records, but not while it stores', async () => {
    const { reading, readings, consumer, clock, begun, lines, store } = setUp();
    const { signal, deliver } = await reading(assigned(0), assigned(1));
    const ends = { topicId: 'id', ends: new Map([0, 1].map((at) => [at, { end: 9, stable: 9 }])) };
    const poll = async () =>
      consumer.polled({ held: consumer.idle, ends, positions: await store.positions('group', 'events') });
    deliver(batch(0, 0, 9));
    const { end } = await begun(1);
    await poll();
    clock.advance(1000);
    await poll();
    expect([consumer.stalled, signal.aborted]).toEqual([[], false]);
    end();
    await expect.poll(() => consumer.idle.size, { interval: 1 }).toBe(2);
    await poll();
    clock.advance(1000);
    await poll();
    expect([consumer.stalled, signal.aborted]).toEqual([[1], true]);
    await expect.poll(() => readings.length, { interval: 1 }).toBe(2);
    const msg = '[Consumer] No records are delivered although there are some: joining the group again';
    expect(lines).toEqual([expect.objectContaining({ msg, topic: 'events', partitions: [1] })]);
  });

  it('does not join again while a quota holds reading back, and says that it does', async () => {
    const { reading, consumer, clock } = setUp();
    const { signal, onThrottled } = await reading(assigned(0));
    const ends = { topicId: 'id', ends: new Map([[0, { end: 9, stable: 9 }]]) };
    const poll = () => consumer.polled({ held: consumer.idle, ends, positions: undefined });
    expect(consumer.isThrottled).toBe(false);
    poll();
    onThrottled!(1500);
    // Another broker, whose quota is less used up.
    onThrottled!(300);
    clock.advance(1000);
    poll();
    expect([consumer.isThrottled, consumer.stalled, signal.aborted]).toEqual([true, [], false]);
    clock.advance(500);
    expect(consumer.isThrottled).toBe(false);
    poll();
    clock.advance(1000);
    poll();
    expect([consumer.stalled, signal.aborted]).toEqual([[0], true]);
  });

  it('looks at nothing once it is being stopped', async () => {
    const { reading, consumer, said } = setUp();
    await reading(assigned(0));
    const held = consumer.idle;
    const stopped = consumer.stop();
    consumer.polled({ held, ends: undefined, positions: [] });
    await stopped;
    expect(said()).toEqual([]);
  });
});
