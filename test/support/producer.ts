import type { NewEvent } from '../../src/events/event.ts';
import { Producer, type ProducerOptions } from '../../src/ingest/producer.ts';
import { Meter } from '../../src/observability/meter.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { openLog } from './embedded-log.ts';
import { listeningLogger } from './logger.ts';

export const TOPIC = 'events';

/** A log in a file, a store in memory, and producers into them. */
export async function producerGround() {
  const { log } = await openLog();
  const store = new MemoryStore();
  const metrics = createMetrics(new Meter());
  const { logger, lines } = listeningLogger();
  logger.level = 'debug';
  let ids = 0;
  return {
    log,
    store,
    lines,
    produce: (options: Partial<ProducerOptions> = {}) =>
      new Producer({
        log,
        store,
        topic: TOPIC,
        logger,
        metrics,
        clock: { date: () => new Date('2024-02-14T10:30:00.000Z'), now: () => 0 },
        newId: () => uuid(1000 + ids++),
        duplicates: { add: () => {} },
        retention: { mayHaveRemoved: false },
        logEvery: 1,
        ...options,
      }),
    /** What is in the log, oldest first. */
    async appended() {
      const { ends } = await log.ends(TOPIC);
      const positions = Array.from({ length: ends.get(0)?.end ?? 0 }, (_, offset) => ({
        partition: 0,
        offset,
      }));
      return (await log.read(TOPIC, positions)).map((record) => record!);
    },
    count: async (name: string) => (await metrics.registry.getSingleMetric(name)!.get()).values,
  };
}

export function uuid(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

export function newEvent(event: Partial<NewEvent> = {}): NewEvent {
  return { userId: 'u', eventType: 'LOGIN', payload: '{}', ...event };
}
