import { onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { Catalog } from '../../src/events/catalog.ts';
import type { EventLog } from '../../src/log/event-log.ts';
import type { Logger } from '../../src/observability/logger.ts';
import type { Metrics } from '../../src/observability/metrics.ts';
import { Consumer } from '../../src/processing/consumer.ts';
import { Processor } from '../../src/processing/processor.ts';
import { Progress } from '../../src/processing/progress.ts';
import type { IdlePositions } from '../../src/processing/watchdog.ts';
import type { EventStore } from '../../src/store/event-store.ts';

interface RunningConsumer {
  consumer: Consumer;
  progress: Progress<IdlePositions>;
}

/** A consumer and the progress it is told of, as the service puts them together; both end with the test. */
export function runConsumer(options: {
  log: EventLog;
  store: EventStore;
  topic: string;
  group: string;
  logger: Logger;
  metrics: Metrics;
  logEvery?: number;
  /** How often log and store are compared. */
  checkEveryMs?: number;
  stalledAfterMs?: number;
}): RunningConsumer {
  const { log, store, topic, group, logger, metrics, logEvery = 1 } = options;
  const { checkEveryMs = 60_000, stalledAfterMs = 60_000 } = options;
  const processor = new Processor({
    log,
    store,
    catalog: new Catalog(),
    group,
    countedProperties: [],
    onStored: () => {},
    onDuplicates: () => {},
    logger,
    metrics,
    logEvery,
  });
  const clock = systemClock;
  const consumer = new Consumer({
    log,
    store,
    processor,
    topic,
    group,
    logger,
    metrics,
    clock,
    stalledAfterMs,
  });
  const progress = new Progress({
    log,
    store,
    topic,
    group,
    clock,
    logger,
    isThrottled: () => consumer.isThrottled,
    everyMs: checkEveryMs,
    held: () => consumer.idle,
    polled: (poll) => consumer.polled(poll),
  });
  onTestFinished(async () => {
    await progress.stop();
    await consumer.stop();
  });
  consumer.start();
  progress.start();
  return { consumer, progress };
}
