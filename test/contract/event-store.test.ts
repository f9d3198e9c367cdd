import { globSync } from 'node:fs';
import { createServer } from 'node:net';
import pg from 'pg';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createDatabase } from '../../scripts/postgres-server.ts';
import { readAll } from '../../src/query/event-query.ts';
import type { EventToStore } from '../../src/store/event-store.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { silentLogger } from '../support/logger.ts';
import { PATIENCE_MS, RUNS_OUT_MS } from '../support/patience.ts';
import { byHand } from '../support/postgres.ts';
import { tempSqliteFile } from '../support/sqlite-file.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';
import { storing } from '../support/storing.ts';
import { eventStoreContract } from './event-store.contract.ts';

describe('memory store', () => {
  eventStoreContract(
    async () => {
      const store = new MemoryStore();
      return { store, second: async () => store };
    },
    { durable: false },
  );
});

describe('SQLite store', () => {
  eventStoreContract(
    async () => {
      const file = await tempSqliteFile();
      return {
        store: new SqliteStore(file),
        second: async () => new SqliteStore(file),
        sql: async (text) => file.db.exec(text),
      };
    },
    { durable: true },
  );
});

// The oldest is left out only where it is not there, and said so; with CI=true that is an error instead.
describe.skipIf(inject('postgres13') === undefined)('PostgreSQL store on the oldest release', () => {
  const server = inject('postgres13')!;
  it('is that release', async () => {
    expect(await byHand(`${server}/postgres`, 'show server_version')).toEqual([
      { server_version: expect.stringMatching(/^13\./) },
    ]);
  });
  storesIn(server);
});
describe('PostgreSQL store', () => storesIn(inject('postgres')));

function storesIn(server: string): void {
  function open(url: string): PostgresStore {
    const store = new PostgresStore({ url, poolSize: 5, logger: silentLogger });
    onTestFinished(() => store.close());
    return store;
  }

  async function query(url: string, text: string): Promise<pg.QueryResult> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const result = await client.query(text);
    await client.end();
    return result;
  }

  eventStoreContract(
    async () => {
      const url = await createDatabase(server);
      return {
        store: open(url),
        second: async () => open(url),
        sql: async (text) => void (await query(url, text)),
      };
    },
    { durable: true },
  );

  it('creates its tables once when several instances start at the same time', async () => {
    const url = await createDatabase(server);
    await Promise.all([open(url), open(url), open(url)].map((store) => store.ping(PATIENCE_MS)));
    const { rows } = await query(url, 'select count(*)::int as count from footfall_migrations');
    expect(rows).toEqual([{ count: globSync('src/store/postgres/migrations/*.sql').length }]);
  });

  it('refuses a database of a newer Footfall', async () => {
    const url = await createDatabase(server);
    await open(url).ping(PATIENCE_MS);
    await query(url, "insert into footfall_migrations (name, run_on) values ('9999_future', now())");
    await expect(open(url).ping(PATIENCE_MS)).rejects.toThrow('newer Footfall');
  });

  it('goes on by itself after its connections were cut', async () => {
    const url = await createDatabase(server);
    const store = open(url);
    await store.claim(TOPIC, [0]);
    await query(
      url,
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
    );
    await expect
      .poll(() =>
        store.ping(PATIENCE_MS).then(
          () => 'up',
          () => 'down',
        ),
      )
      .toBe('up');
    expect(await store.claim(TOPIC, [0])).toMatchObject([{ epoch: 2 }]);
  });

  it('says at once that the server is not there, and does not give up on it', async () => {
    const url = await createDatabase(server);
    const store = open(url.replace(/:\d+\//, ':1/'));
    await expect(store.ping(PATIENCE_MS)).rejects.toThrow(/ECONNREFUSED/);
    await expect(store.claim(TOPIC, [0])).rejects.toThrow(/ECONNREFUSED/);
  });

  it('gives up on a server that does not answer within the time given', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    await expect(open(`postgres://u:p@127.0.0.1:${port}/d`).ping(RUNS_OUT_MS)).rejects.toThrow(
      `no answer within ${RUNS_OUT_MS} ms`,
    );
  });

  it('counts by itself after many events, and later what could not be counted then', async () => {
    const url = await createDatabase(server);
    const store = open(url);
    await store.claim(TOPIC, [0]);
    const storeMany = async (fromOffset: number | null) => {
      const events = Array.from({ length: 20_000 }, (_, at) => newEvent({ userId: `user-${at % 50}` }));
      const nextOffset = (fromOffset ?? 0) + events.length;
      await store.process([newBatch(events, { fromOffset, nextOffset })]);
      await store.counts.idle();
    };
    const counted = async () => {
      const { rows } = await query(url, 'select coalesce(sum(events), 0)::int as events from event_counts');
      return rows[0].events as number;
    };
    await storeMany(null);
    expect(await counted()).toBe(20_000);
    await query(url, 'alter table value_counts rename to not_there');
    await storeMany(20_000);
    expect(await counted()).toBe(20_000);
    await query(url, 'alter table not_there rename to value_counts');
    expect(await store.counts.totals()).toEqual([
      { eventType: 'LOGIN', events: 40_000, firstHour: 0, lastHour: 0 },
    ]);
    expect(await store.counts.topValues('userId', 0, 1)).toEqual([{ value: 'user-0', events: 800 }]);
  });

  it('keeps readers from passing over what a slow writer has a sequence for already', async () => {
    const url = await createDatabase(server);
    const store = open(url);
    await store.claim(TOPIC, [0, 1]);
    const [slow, stuck, fast] = ['slow', 'stuck', 'fast'].map((userId) => newEvent({ userId })) as [
      EventToStore,
      EventToStore,
      EventToStore,
    ];
    // The writer has stored its first event and waits for what becomes of this insertion of its second.
    const blocker = new pg.Client({ connectionString: url });
    await blocker.connect();
    await blocker.query('begin');
    await blocker.query(
      'insert into events (event_key, user_id, event_type, json, happened_at) overriding system value values ($1, $2, $3, $4, 0)',
      [stuck.key, '', '', '{}'],
    );
    const writing = store.process([newBatch([slow, stuck])]);
    await expect
      .poll(async () => (await query(url, 'select 1 from pg_locks where not granted')).rowCount)
      .toBeGreaterThan(0);
    await store.process([newBatch([fast], { partition: 1 })]);
    const { latest, stable } = await store.watermarks();
    const early = await store.read({ order: 'asc', after: 0, upTo: stable, limit: 10 });
    expect(early).toEqual([]);
    expect(stable).toBeLessThan(latest);
    await blocker.query('rollback');
    await blocker.end();
    await writing;
    const after = await store.watermarks();
    expect(after.stable).toBeGreaterThanOrEqual(after.latest);
    const all = await store.read({ order: 'asc', after: stable, upTo: after.stable, limit: 10 });
    expect(all.map(({ json }) => json)).toEqual([slow, stuck, fast].map(({ json }) => json));
  });

  it('lets writers that count the same users go on, in whatever order they come', async () => {
    const url = await createDatabase(server);
    const store = open(url);
    const partitions = [0, 1, 2, 3];
    await store.claim(TOPIC, partitions);
    const users = Array.from({ length: 400 }, (_, user) => `user-${user}`);
    const rounds = [0, 1, 2, 3, 4, 5];
    await Promise.all(
      partitions.map(async (partition) => {
        for (const round of rounds) {
          const order = (partition + round) % 2 === 0 ? users : users.toReversed();
          const offsets = { fromOffset: round === 0 ? null : round * 400, nextOffset: (round + 1) * 400 };
          const events = order.map((userId) => newEvent({ userId }));
          await store.process([newBatch(events, { partition, ...offsets })]);
        }
      }),
    );
    const expected = users.map((value) => ({ value, events: partitions.length * rounds.length }));
    const found = await store.counts.topValues('userId', 0, 1000);
    expect(found.sort((a, b) => Number(a.value.slice(5)) - Number(b.value.slice(5)))).toEqual(expected);
  });

  it('ends a reading without fault when rows are deleted under it', async () => {
    const url = await createDatabase(server);
    const store = open(url);
    const storeMore = await storing(store);
    await storeMore(Array.from({ length: 1500 }, () => ({})));
    const reading = readAll(store);
    const { length } = (await reading.next()).value!;
    await query(url, `delete from events where seq > ${length}`);
    expect((await reading.next()).done).toBe(true);
  });
}
