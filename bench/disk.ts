// What an event takes on the disk of PostgreSQL, with everything that is stored beside it.
import pg from 'pg';
import { PostgresStore } from '../src/store/postgres/postgres-store.ts';
import { fill } from './events.ts';
import { type BenchOptions, silent, type TestCluster } from './ground.ts';
import type { Row } from './rows.ts';

/** Of the number of events: what does not grow with them shows as a difference. */
const SHARES = [0.3, 1];
/** Stored in one transaction. */
const BATCH = 1000;

export async function benchDisk(ground: TestCluster, { events }: BenchOptions): Promise<Row[]> {
  const url = await ground.database();
  const store = new PostgresStore({ url, poolSize: 2, logger: silent });
  const rows: Row[] = [];
  try {
    let stored = 0;
    for (const size of SHARES.map((share) => Math.round((share * events) / BATCH) * BATCH)) {
      await fill(store, size - stored, BATCH);
      stored = size;
      // Counts what is not counted yet.
      await store.counts.totals();
      rows.push(await diskUse(url, size));
    }
    return rows;
  } finally {
    await store.close();
  }
}

async function diskUse(url: string, events: number): Promise<Row> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ name: string; bytes: number }>(
    `select c.relname as name, sum(pg_table_size(c.oid))::float8 as bytes
     from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'i', 'S') group by 1 order by 2 desc`,
  );
  const text = await client.query<{ bytes: number }>('select avg(length(json))::float8 as bytes from events');
  await client.end();
  const each = (bytes: number) => bytes / events;
  const parts = rows.filter(({ bytes }) => each(bytes) >= 1);
  return {
    part: 'disk',
    what: `an event on the disk of PostgreSQL, ${events} there`,
    unit: 'bytes',
    runs: [each(rows.reduce((sum, { bytes }) => sum + bytes, 0))],
    notes: `JSON text ${text.rows[0]!.bytes.toFixed(0)}; ${parts.map(({ name, bytes }) => `${name} ${each(bytes).toFixed(1)}`).join(', ')}`,
  };
}
