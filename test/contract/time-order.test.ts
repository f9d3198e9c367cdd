import pg from 'pg';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createDatabase } from '../../scripts/postgres-server.ts';
import { eventTimeMs } from '../../src/events/event-time.ts';
import { type EventStore, HOUR_MS } from '../../src/store/event-store.ts';
import { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { WITHOUT_RETENTION_IN_POSTGRES, WITHOUT_RETENTION_IN_SQLITE } from '../support/earlier-tables.ts';
import { silentLogger } from '../support/logger.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { tempSqliteFile } from '../support/sqlite-file.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';

/** As other producers may write them. */
const TIMESTAMPS = [
  '2024-02-14T10:30:00.123Z',
  '2024-02-14T10:30:00.9999999',
  '2024-02-14t10:30:00z',
  '2024-02-14T10:30:00+23:59',
  '2024-02-14T10:30:00.5-05:30',
  '0001-01-01T00:00:00Z',
  '1969-12-31T23:59:59.999Z',
  '9999-12-31T23:59:59.999Z',
];
const QUOTED = JSON.stringify('"timestamp":"2000-01-01T00:00:00Z"');
const EVENTS = [
  ...TIMESTAMPS.map((timestamp) =>
    newEvent({ json: `{"userId":${QUOTED},"timestamp":"${timestamp}","payload":{}}` }),
  ),
  newEvent({ hour: 7, json: '{}' }),
];
const TIMES = [...TIMESTAMPS.map(eventTimeMs), 7 * HOUR_MS].sort((a, b) => a - b);

async function fill(store: EventStore): Promise<void> {
  await store.claim(TOPIC, [0]);
  await store.process([newBatch(EVENTS)]);
  await store.counts.totals();
}

async function times(store: EventStore, userId?: string): Promise<number[]> {
  const [after, before] = [-8.64e15, 8.64e15].map((time) => ({ time, sequence: 0 }));
  const found = await store.readByTime({ order: 'asc', after: after!, before: before!, limit: 100, userId });
  return found.map(({ time }) => time);
}

describe('events that were stored before times were', () => {
  it('have their times in SQLite', async () => {
    const file = await tempSqliteFile();
    await fill(new SqliteStore(file));
    file.db.exec(WITHOUT_RETENTION_IN_SQLITE);
    file.db.exec(`drop index events_by_time; drop index events_by_type_and_time; drop index events_by_hour; drop table user_times; drop table known_values;
      alter table events drop column happened_at;
      update schema_versions set version = 5 where name = 'store'`);
    const store = new SqliteStore(file);
    expect(await times(store)).toEqual(TIMES);
    expect(await times(store, 'u')).toEqual(TIMES);
  });

  it('have their times in PostgreSQL', async () => {
    const url = await createDatabase(inject('postgres'));
    const open = () => {
      const store = new PostgresStore({ url, poolSize: 2, logger: silentLogger });
      onTestFinished(() => store.close());
      return store;
    };
    await fill(open());
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query(WITHOUT_RETENTION_IN_POSTGRES);
    await client.query(`alter table events drop column happened_at;
      drop table known_values; delete from footfall_migrations where name >= '0006'`);
    const store = open();
    await store.ping(PATIENCE_MS);
    expect(await times(store)).toEqual(TIMES);
    expect(await times(store, 'u')).toEqual(TIMES);
  });
});
