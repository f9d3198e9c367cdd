// What the adapters of the store measure of themselves.
import type { Counter, Histogram } from 'prom-client';
import { inTime, type Meter } from './meter.ts';

/** @param read at each scrape; without an answer there is no value */
export function registerStoreBytes(meter: Meter, read: () => Promise<number>): void {
  meter.gauge({
    name: 'store_bytes',
    help: 'Bytes that the store takes on disk: all tables and indexes in its PostgreSQL schema, or its SQLite file, which may also hold the log.',
    // Every process asks the same store.
    aggregator: 'max',
    async collect(gauge) {
      gauge.reset();
      const bytes = await inTime(read()).catch(() => undefined);
      if (bytes !== undefined) gauge.set(bytes);
    },
  });
}

interface ConnectionPool {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
}

/** @returns observes how long each use of a connection waited for one */
export function registerPool(meter: Meter, pool: ConnectionPool): Histogram {
  meter.gauge({
    name: 'store_connections',
    help: 'Connections to PostgreSQL that are `busy` or `idle`, and uses that are `waiting` for one.',
    labelNames: ['state'],
    collect(gauge) {
      gauge.set({ state: 'busy' }, pool.totalCount - pool.idleCount);
      gauge.set({ state: 'idle' }, pool.idleCount);
      gauge.set({ state: 'waiting' }, pool.waitingCount);
    },
  });
  return meter.histogram({
    name: 'store_connection_wait_seconds',
    help: 'Time until a connection to PostgreSQL is free, or established.',
  });
}

/** @returns counts the reads that a replica should answer */
export function registerReads(meter: Meter): Counter<'from'> {
  return meter.counter({
    name: 'store_reads_total',
    help: 'Reads of events, with `DATABASE_READ_URL`, by the server that answered: the `replica`, or the `primary` if the replica could not.',
    labels: { from: ['replica', 'primary'] },
  });
}
