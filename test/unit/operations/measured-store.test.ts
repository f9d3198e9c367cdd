import { expect, it, vi } from 'vitest';
import { Meter } from '../../../src/observability/meter.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { measuredStore } from '../../../src/operations/measured-store.ts';
import { FencedError } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';

function setUp() {
  const meter = new Meter();
  const own = new MemoryStore();
  const store = measuredStore(own, createMetrics(meter));
  const text = () => meter.registry.metrics();
  return { own, store, text };
}

it('gives what the store gives, and measures each operation, also of the counts', async () => {
  const { own, store, text } = setUp();
  expect(store.storeId).toBe(own.storeId);
  expect(await store.watermarks()).toEqual({ latest: 0, stable: 0 });
  expect(await store.counts.totals()).toEqual([]);
  const counted = (await text()).match(/^footfall_store_seconds_count\{.*/gm);
  expect(counted).toEqual([
    'footfall_store_seconds_count{operation="watermarks"} 1',
    'footfall_store_seconds_count{operation="totals"} 1',
  ]);
});

it('shows failures of every operation as 0, and counts those there are', async () => {
  const { own, store, text } = setUp();
  const failures = async () => (await text()).match(/^footfall_store_failures_total\{.*\} [1-9]\d*$/gm);
  expect(await failures()).toBeNull();
  expect(await text()).toContain('footfall_store_failures_total{operation="process"} 0');
  vi.spyOn(own, 'process').mockRejectedValueOnce(new Error('away'));
  await expect(store.process([])).rejects.toThrow('away');
  // Another writer holds the partition: the store did what it should.
  const fenced = new FencedError({ topic: 't', partition: 0, epoch: 1 });
  vi.spyOn(own, 'process').mockRejectedValueOnce(fenced);
  await expect(store.process([])).rejects.toThrow(fenced);
  expect(await failures()).toEqual(['footfall_store_failures_total{operation="process"} 1']);
});
