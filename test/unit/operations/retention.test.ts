import { describe, expect, it, onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { RetentionDays } from '../../../src/events/retention-days.ts';
import { Meter } from '../../../src/observability/meter.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { Retention, wantedDays } from '../../../src/operations/retention.ts';
import { ALL_DAYS, DAY_MS, HOUR_MS } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { openLog } from '../../support/embedded-log.ts';
import { listeningLogger } from '../../support/logger.ts';
import { newEvent, TOPIC } from '../../support/store-batches.ts';
import { claimAndStore } from '../../support/storing.ts';

const TODAY = 100;

/** Retention of ten days, for types without days of their own, on the 100th day since 1970. */
async function setUp(
  options: { days?: ConstructorParameters<typeof RetentionDays>[0]; records?: number } = {},
) {
  const { log } = await openLog();
  const store = new MemoryStore();
  const metrics = createMetrics(new Meter());
  const { logger, lines } = listeningLogger();
  /** Pauses, in milliseconds; those of an hour or a minute last until the test says so. */
  const pauses: number[] = [];
  let go = Promise.withResolvers<void>();
  const clock: Clock = {
    ...systemClock,
    date: () => new Date(TODAY * DAY_MS),
    now: () => 0,
    async sleep(ms, signal) {
      pauses.push(ms);
      if (ms < 60_000 || signal?.aborted) return;
      const aborted = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
      await Promise.race([go.promise, aborted]);
    },
  };
  const days = new RetentionDays({ overall: 10, ...options.days, clock });
  const retention = new Retention({
    days,
    log,
    store,
    topic: TOPIC.topic,
    deadLetterTopic: `${TOPIC.topic}.dlt`,
    group: TOPIC.group,
    removes: true,
    countedProperties: ['device'],
    logger,
    metrics,
    clock,
  });
  onTestFinished(() => retention.stop());
  const count = async (name: string) =>
    (await metrics.registry.getSingleMetric(name)!.get()).values.map(({ value }) => value);
  return {
    retention,
    days,
    store,
    log,
    lines,
    pauses,
    count,
    again: () => {
      const { resolve } = go;
      go = Promise.withResolvers();
      resolve();
    },
    /** Stores events of days, as many of each as are given. */
    async store1(day: number, eventType = 'T', events = 1) {
      const made = Array.from({ length: events }, () => {
        const hour = day * 24;
        const json = '{"payload":{"device":"phone"}}';
        const counted = [['payload.device', 'phone']] as const;
        return newEvent({ eventType, hour, time: hour * HOUR_MS, json, counted });
      });
      await claimAndStore(store, made);
    },
  };
}

describe('retention', () => {
  it('has a day for each type, and none where events are kept for good', () => {
    const clock = { date: () => new Date(TODAY * DAY_MS), now: () => 0 };
    const types = new Map([['AUDIT', 40]]);
    expect(wantedDays(new RetentionDays({ overall: 10, types, clock }), TODAY)).toEqual({
      others: 90,
      types: [{ eventType: 'AUDIT', day: 60 }],
    });
    expect(wantedDays(new RetentionDays({ types, clock }), TODAY).others).toBe(ALL_DAYS);
  });

  it('removes in steps what is too old, with its counts, and nothing else', async () => {
    const { retention, store, store1, pauses, count, lines } = await setUp({
      days: { types: new Map([['AUDIT', 40]]) },
    });
    await store1(89, 'T', 501);
    await store1(90);
    await store1(59, 'AUDIT');
    await store1(60, 'AUDIT');
    retention.start();
    await expect.poll(() => pauses.at(-1)).toBe(HOUR_MS);
    expect(await store.counts.totals()).toMatchObject([
      { eventType: 'AUDIT', events: 1, firstHour: 60 * 24 },
      { eventType: 'T', events: 1, firstHour: 90 * 24 },
    ]);
    expect(await store.counts.topValues('payload.device', 89, 9)).toEqual([]);
    expect(await store.counts.topValues('payload.device', 90, 9)).toMatchObject([{ events: 1 }]);
    expect(await count('footfall_retention_removed_total')).toEqual([502, 0, 0]);
    expect(lines).toMatchObject([{ events: 502, msg: 'Removed what is past its retention' }]);
  });

  it('trims the log up to what is processed and too old by every retention', async () => {
    const { retention, store, store1, log, pauses } = await setUp({
      days: { types: new Map([['AUDIT', 40]]) },
    });
    Object.assign(store, { storeId: '' });
    await store1(90, 'T', 2);
    log.ends = async () => ({ topicId: TOPIC.topicId, ends: new Map() });
    const [position] = await store.positions(TOPIC.group, TOPIC.topic);
    // Another topic had the name before.
    store.positions = async () => [position!, { ...position!, topicId: 'topic-id-9', offset: 9 }];
    const asked: unknown[] = [];
    log.trim = async ({ topic, before, passed }) => {
      asked.push([topic, before.getTime() / DAY_MS, passed(0), passed(1)]);
      return 0;
    };
    retention.start();
    await expect.poll(() => pauses.at(-1)).toBe(HOUR_MS);
    expect(asked).toEqual([
      ['topic', 60, 2, 0],
      ['topic.dlt', 60, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ]);
    expect(await store.watermarks()).toMatchObject({ latest: 2 });
  });

  it('tries again after a minute when the store is away, and says so', async () => {
    const { retention, store, store1, pauses, again, count, lines } = await setUp();
    await store1(1);
    const { readByTime } = store;
    store.readByTime = () => Promise.reject(new Error('away'));
    retention.start();
    await expect.poll(() => pauses).toEqual([60_000]);
    expect(await count('footfall_retention_failures_total')).toEqual([1]);
    expect(lines).toMatchObject([{ msg: /could not be removed/ }]);
    store.readByTime = readByTime;
    again();
    await expect.poll(() => pauses.at(-1)).toBe(HOUR_MS);
    expect(await store.counts.totals()).toEqual([]);
  });

  it('removes nothing where everything is kept, and learns what was removed before', async () => {
    const { retention, days, store, store1, pauses } = await setUp({ days: { overall: undefined } });
    await store1(4);
    await store.retention.keepFrom({ others: 5, types: [] });
    retention.start();
    await expect.poll(() => pauses).toEqual([HOUR_MS]);
    expect(await store.watermarks()).toMatchObject({ latest: 1 });
    expect(await store.counts.totals()).toMatchObject([{ events: 1 }]);
    expect(days.mayHaveRemoved).toBe(true);
  });

  it('lets nothing go before the clock of the store agrees', async () => {
    const { retention, store, pauses } = await setUp();
    Object.assign(store.retention, { today: async () => TODAY - 50 });
    retention.start();
    await expect.poll(() => pauses).toEqual([HOUR_MS]);
    expect(await store.retention.keptDays()).toMatchObject({ others: TODAY - 60 });
  });
});
