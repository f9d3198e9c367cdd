import { Counter, Histogram, Registry } from 'prom-client';
import { expect, it, onTestFinished } from 'vitest';
import { MetricsHistory, SAMPLE_EVERY_MS } from '../../../src/operations/metrics-history.ts';
import { handClock } from '../../support/hand-clock.ts';
import { silentLogger } from '../../support/logger.ts';

const KEEP_MS = 5 * SAMPLE_EVERY_MS;
const ALL = { lastMs: KEEP_MS, points: 100 };

interface Partition {
  position: number;
  end: number;
  oldestWaiting?: Date;
}

/** A history on a clock moved by hand, of metrics and partitions that the test moves. */
async function ground() {
  const clock = handClock();
  const registry = new Registry();
  const registers = [registry];
  const rejected = new Counter({
    name: 'footfall_events_rejected_total',
    help: 'h',
    labelNames: ['code'],
    registers,
  });
  const buckets = [0.1, 0.2, 1];
  const append = new Histogram({ name: 'footfall_append_seconds', help: 'h', buckets, registers });
  const store = new Histogram({ name: 'footfall_process_seconds', help: 'h', buckets, registers });
  const now = { partitions: [{ position: 0, end: 0 }] as Partition[], isCurrent: true };
  const progress = {
    get isCurrent() {
      return now.isCurrent;
    },
    get partitions() {
      return now.partitions.map(({ position, end, oldestWaiting }, partition) => ({
        partition,
        position,
        end,
        oldestWaiting,
        stable: end,
        lag: end - position,
        heldBack: 0,
        unmovedMs: 0,
        unaccounted: 0,
      }));
    },
  };
  const history = new MetricsHistory({
    metrics: () => registry.metrics(),
    progress,
    clock,
    logger: silentLogger,
    keepMs: KEEP_MS,
  });
  history.start();
  onTestFinished(() => history.stop());
  let samples = 0;
  await expect.poll(() => clock.sleeps.length).toBe(1);
  const next = async (ms = SAMPLE_EVERY_MS) => {
    samples++;
    clock.advance(ms);
    await expect.poll(() => clock.sleeps.length, { interval: 0 }).toBe(samples + 1);
    return history.list(ALL).at(-1)!;
  };
  return { clock, history, rejected, append, store, now, next };
}

it('keeps nothing before two readings: a rate needs both', async () => {
  const { history, next } = await ground();
  expect(history.list(ALL)).toEqual([]);
  expect(await next()).toEqual({
    at: SAMPLE_EVERY_MS,
    written: 0,
    processed: 0,
    rejected: 0,
    lag: 0,
    lagSeconds: 0,
    appendSeconds: null,
    storeSeconds: null,
  });
});

it('tells rates by the time that went by, over all partitions and codes', async () => {
  const { rejected, now, next } = await ground();
  now.partitions = [
    { position: 0, end: 0 },
    { position: 0, end: 0 },
  ];
  expect(await next()).toMatchObject({ written: null, processed: null });
  now.partitions = [
    { position: 50, end: 100 },
    { position: 10, end: 100 },
  ];
  rejected.inc({ code: 'invalid_event' }, 30);
  rejected.inc({ code: 'overloaded' }, 10);
  expect(await next(20_000)).toMatchObject({ written: 10, processed: 3, rejected: 2, lag: 140 });
});

it('tells the age of the oldest record that is not stored', async () => {
  const { now, next } = await ground();
  now.partitions = [
    { position: 1, end: 2, oldestWaiting: new Date(7000) },
    { position: 1, end: 2, oldestWaiting: new Date(4000) },
    { position: 1, end: 1 },
  ];
  expect(await next()).toMatchObject({ lag: 2, lagSeconds: 6 });
  now.partitions = [{ position: 1, end: 2 }];
  expect(await next()).toMatchObject({ lag: 1, lagSeconds: null });
});

it('does not know rates and lag while log or store do not answer, and rates until both have answered twice', async () => {
  const { now, next } = await ground();
  now.isCurrent = false;
  const UNKNOWN = { written: null, processed: null, lag: null, lagSeconds: null };
  expect(await next()).toMatchObject({ ...UNKNOWN, rejected: 0 });
  now.isCurrent = true;
  expect(await next()).toMatchObject({ written: null, processed: null, lag: 0, lagSeconds: 0 });
  expect(await next()).toMatchObject({ written: 0, processed: 0 });
});

it('does not know the rate of what went back', async () => {
  const { rejected, now, next } = await ground();
  now.partitions = [{ position: 10, end: 20 }];
  rejected.inc({ code: 'invalid_event' });
  await next();
  rejected.reset();
  now.partitions = [{ position: 5, end: 15 }];
  expect(await next()).toMatchObject({ written: null, processed: null, rejected: null });
});

it('takes the 99th percentile of the latencies observed since the sample before', async () => {
  const { append, store, next } = await ground();
  for (let at = 0; at < 100; at++) append.observe(0.15);
  expect((await next()).appendSeconds).toBeCloseTo(0.199);
  store.observe(0.05);
  const { appendSeconds, storeSeconds } = await next();
  expect(appendSeconds).toBeNull();
  expect(storeSeconds).toBeCloseTo(0.099);
  append.observe(60);
  expect((await next()).appendSeconds).toBe(1);
});

it('merges samples to the points asked for: the mean of rates, the worst of lag', async () => {
  const { rejected, now, history, next } = await ground();
  now.isCurrent = false;
  await next();
  now.isCurrent = true;
  now.partitions = [{ position: 0, end: 500 }];
  await next();
  rejected.inc({ code: 'overloaded' }, 80);
  now.partitions = [{ position: 400, end: 500 }];
  await next();
  const merged = history.list({ lastMs: KEEP_MS, points: 2 });
  expect(merged).toMatchObject([
    { at: 10_000, lag: null },
    { at: 30_000, lag: 500, processed: 40, rejected: 4 },
  ]);
  expect(history.list({ lastMs: 15_000, points: 9 }).map(({ at }) => at)).toEqual([20_000, 30_000]);
});

it('drops what is older than it keeps', async () => {
  const { history, next } = await ground();
  for (let at = 0; at < 7; at++) await next();
  expect(history.list({ ...ALL, lastMs: 2 * KEEP_MS }).map(({ at }) => at / SAMPLE_EVERY_MS)).toEqual([
    3, 4, 5, 6, 7,
  ]);
});
