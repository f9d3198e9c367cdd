import { expect, it, onTestFinished } from 'vitest';
import { Meter } from '../../src/observability/meter.ts';
import { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { silentLogger } from '../support/logger.ts';
import { byHand, freshDatabase } from '../support/postgres.ts';

it('says how many connections are in use, how long uses waited for one, and what the tables take', async () => {
  const url = await freshDatabase();
  const meter = new Meter();
  const store = new PostgresStore({ url, poolSize: 2, logger: silentLogger, meter });
  onTestFinished(() => store.close());
  await store.watermarks();
  const bytes = async () => Number(/^footfall_store_bytes (\d+)$/m.exec(await meter.registry.metrics())?.[1]);
  const before = await bytes();
  expect(before).toBeGreaterThan(0);
  await byHand(
    url,
    "insert into dead_letters (consumer_group, topic, topic_id, partition, \"offset\", digest, reason, detail, attempt, set_aside_at, dlt_partition, dlt_offset) select 'g', 't', 'i', 0, n, 'd', 'invalid', repeat('x', 100), 1, now(), 0, n from generate_series(1, 1000) n",
  );
  expect(await bytes()).toBeGreaterThan(before);
  const text = await meter.registry.metrics();
  expect(text).toMatch(/^footfall_store_connections\{state="idle"\} [12]$/m);
  expect(text).toContain('footfall_store_connections{state="waiting"} 0');
  expect(Number(/^footfall_store_connection_wait_seconds_count (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
});
