import { randomUUID } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import { EmbeddedLog } from '../../../src/log/embedded/embedded-log.ts';
import type { EventLog, LogBatch, SubscribeOptions } from '../../../src/log/event-log.ts';
import { Meter } from '../../../src/observability/meter.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { appendTo } from '../../support/append.ts';
import { runConsumer } from '../../support/consumer.ts';
import { silentLogger } from '../../support/logger.ts';
import { PATIENCE_MS } from '../../support/patience.ts';
import { tempSqliteFile } from '../../support/sqlite-file.ts';

/** A log whose first reading breaks off after a batch, and whose group takes nobody in until it is told to. */
class RejoinedLog extends EmbeddedLog {
  readonly joined = Promise.withResolvers<void>();
  readonly joining = Promise.withResolvers<void>();
  looks = 0;
  #readings = 0;

  override async *subscribe(options: SubscribeOptions): AsyncGenerator<LogBatch[]> {
    if (this.#readings++ > 0) {
      this.joining.resolve();
      await this.joined.promise;
    }
    for await (const batches of super.subscribe(options)) {
      yield batches;
      if (this.#readings === 1) throw new Error('the broker is away');
    }
  }

  override ends(topic: string): ReturnType<EventLog['ends']> {
    this.looks++;
    return super.ends(topic);
  }
}

it('a consumer that waits to be taken into its group again does not take the log for silent', async () => {
  const file = await tempSqliteFile();
  const log = new RejoinedLog({ file, partitions: 1, timeoutMs: PATIENCE_MS });
  const store = new MemoryStore();
  const metrics = createMetrics(new Meter());
  const append = () => {
    const value = `{"eventId":"${randomUUID()}","userId":"u","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00.000Z","payload":{}}`;
    return appendTo(log, [{ topic: 'events', key: 'u', value, headers: [] }]);
  };
  await append();
  runConsumer({
    log,
    store,
    metrics,
    topic: 'events',
    group: 'group',
    logger: silentLogger,
    checkEveryMs: 5,
    stalledAfterMs: 5,
  });
  onTestFinished(() => log.joined.resolve());
  await log.joining.promise;
  await append();
  // Before the reading broke off it may well have been silent for so long.
  const restarts = async () => (await metrics.watchdogRestarts.get()).values[0]!.value;
  const [before, looks] = [await restarts(), log.looks];
  await expect.poll(() => log.looks).toBeGreaterThan(looks + 10);
  expect(await restarts()).toBe(before);
  log.joined.resolve();
  await expect
    .poll(async () => (await store.counts.totals()).reduce((sum, { events }) => sum + events, 0))
    .toBe(2);
});
