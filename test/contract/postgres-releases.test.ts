import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FencedError, StoreUnavailableError } from '../../src/store/event-store.ts';
import { handClock } from '../support/hand-clock.ts';
import { listeningLogger } from '../support/logger.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { byHand, freshDatabase, holdConnection, openStore, waitingForLocks } from '../support/postgres.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';

const NAMES = globSync('src/store/postgres/migrations/*.sql').map((path) => basename(path, '.sql'));
const NEWEST = NAMES.sort().at(-1)!;
/** It only builds indexes: it can be run again, and nothing that this release needs is missing meanwhile. */
const REPEATABLE = '0008_ranges';
/** As if the database was of the release before that, which says of nobody that they can go on. */
const BEFORE_REPEATABLE = `delete from footfall_migrations where name = '${REPEATABLE}';
  update footfall_migrations set compatible_from = '0001_events' where name > '${REPEATABLE}'`;
const MIGRATED_LATER = 'has migration 9999_future, beside which this version cannot work. Start the version';

/** A database that a newer release has migrated. @param compatibleFrom as that release says it in the bookkeeping */
async function ofNewerRelease(compatibleFrom: string | null): Promise<string> {
  const url = await freshDatabase();
  await openStore(url).ping(PATIENCE_MS);
  const value = compatibleFrom === null ? 'null' : `'${compatibleFrom}'`;
  await byHand(
    url,
    `insert into footfall_migrations (name, run_on, compatible_from) values ('9999_future', now(), ${value})`,
  );
  return url;
}

describe('a release beside a newer schema', () => {
  it('goes on where the newer one says that it can, and says so once', async () => {
    const url = await ofNewerRelease(NEWEST);
    const { logger, lines } = listeningLogger();
    const store = openStore(url, logger);
    await store.claim(TOPIC, [0]);
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([newEvent()], { epoch: 2 })]);
    expect(lines.map(({ msg }) => msg)).toEqual([
      'The database is of a newer Footfall, which says that this version works beside it: 9999_future',
    ]);
    expect(await openStore(url).inspect(PATIENCE_MS)).toBe(
      'PostgreSQL, tables in schema public; of a newer Footfall, beside which this one works (9999_future)',
    );
  });

  it.each([null, '9998_between'])(
    'is refused where the newer one works with %s at the least',
    async (from) => {
      const url = await ofNewerRelease(from);
      await expect(openStore(url).ping(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
      await expect(openStore(url).inspect(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
      await expect(openStore(url).migrate()).rejects.toThrow(StoreUnavailableError);
    },
  );

  it('changes nothing of what it does not know whole', async () => {
    const url = await ofNewerRelease(NEWEST);
    await byHand(url, 'drop index events_by_hour');
    await openStore(url).migrate();
    expect(await byHand(url, "select 1 from pg_class where relname = 'events_by_hour'")).toEqual([]);
    await byHand(url, BEFORE_REPEATABLE);
    await expect(openStore(url).ping(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
  });

  it('goes on without a table that the newer one has dropped, since it says that it can', async () => {
    const url = await ofNewerRelease(NEWEST);
    await byHand(url, 'drop table known_values');
    await openStore(url).ping(PATIENCE_MS);
  });

  it('makes no tables of its own in place of those of the newer one', async () => {
    const url = await ofNewerRelease(NEWEST);
    const tables = await byHand<{ name: string }>(
      url,
      "select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'footfall_migrations'",
    );
    await byHand(url, `drop table ${tables.map(({ name }) => name).join()}`);
    await expect(openStore(url).ping(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
  });

  it('works with a bookkeeping from before releases said that', async () => {
    const url = await freshDatabase();
    await openStore(url).ping(PATIENCE_MS);
    await byHand(url, 'alter table footfall_migrations drop column compatible_from');
    await openStore(url).ping(PATIENCE_MS);
    await byHand(url, `delete from footfall_migrations where name = '${REPEATABLE}'`);
    await openStore(url).ping(PATIENCE_MS);
    expect(await byHand(url, 'select name from footfall_migrations where compatible_from is null')).toEqual(
      expect.arrayContaining([{ name: REPEATABLE }]),
    );
  });
});

describe('a release that runs while a newer one migrates', () => {
  it('stores nothing more until it has looked whether it still can', async () => {
    const url = await freshDatabase();
    const running = openStore(url);
    await running.claim(TOPIC, [0]);
    await running.process([newBatch([newEvent()])]);
    await byHand(url, BEFORE_REPEATABLE);
    await openStore(url).ping(PATIENCE_MS);
    const next = newBatch([newEvent()], { fromOffset: 1, nextOffset: 2 });
    await expect(running.process([next])).rejects.toThrow(FencedError);
    await byHand(url, "insert into footfall_migrations (name, run_on) values ('9999_future', now())");
    const claims = () => byHand(url, 'select epoch from positions');
    const before = await claims();
    await expect(running.claim(TOPIC, [0])).rejects.toThrow(MIGRATED_LATER);
    await expect(running.ping(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
    // Those of whoever can go on.
    expect(await claims()).toEqual(before);
  });

  it('stores while the migration waits for a table, which gives up before that is noticed', async () => {
    const url = await freshDatabase();
    const running = openStore(url);
    await running.claim(TOPIC, [0]);
    await byHand(
      url,
      `delete from footfall_migrations where name between '0006' and '${REPEATABLE}'; drop table known_values`,
    );
    const reader = await holdConnection(url);
    await reader.query('begin; select 1 from events');
    const migrating = openStore(url).migrate();
    const failed = expect(migrating).rejects.toThrow(/^a table was not free within 1 s.*nothing has changed/);
    await expect.poll(() => waitingForLocks(url)).toHaveLength(1);
    await running.process([newBatch([newEvent()])]);
    await failed;
    const done = `select 1 from footfall_migrations where name between '0006' and '${REPEATABLE}'`;
    expect(await byHand(url, done)).toEqual([]);
    await reader.query('rollback');
    await byHand(url, 'alter table events drop column happened_at');
    await openStore(url).migrate();
  });

  it('has no claim that it made while the migration ran', async () => {
    const url = await freshDatabase();
    const running = openStore(url);
    await running.claim(TOPIC, [0]);
    const migration = await holdConnection(url);
    await migration.query('begin; update positions set epoch = epoch + 1');
    const claimed = running.claim(TOPIC, [0]).then(
      () => 'claimed',
      (error: Error) => error.message,
    );
    await expect.poll(() => waitingForLocks(url)).toHaveLength(1);
    await migration.query(
      "insert into footfall_migrations (name, run_on) values ('9999_future', now()); commit",
    );
    expect(await claimed).toContain(MIGRATED_LATER);
  });
});

describe('a release that runs and never claims, while a newer one migrates', () => {
  const shutOut = (url: string) =>
    byHand(url, "insert into footfall_migrations (name, run_on) values ('9999_future', now())");

  /** What a process sees of two stored events, one of them not yet counted. */
  async function running() {
    const url = await freshDatabase();
    const writer = openStore(url);
    await writer.claim(TOPIC, [0]);
    await writer.process([newBatch([newEvent()])]);
    const clock = handClock();
    const store = openStore(url, undefined, 5, undefined, clock);
    await store.counts.totals();
    await writer.process([newBatch([newEvent()], { fromOffset: 1, nextOffset: 2 })]);
    const counted = () => byHand(url, 'select sum(events)::integer as events from event_counts');
    const read = () => store.read({ order: 'asc', after: 0, upTo: 9, limit: 9 });
    return { url, clock, store, counted, read };
  }

  it('reads nothing more after a second at the most, says so when asked, and goes on once it may', async () => {
    const { url, clock, store, read } = await running();
    await shutOut(url);
    clock.advance(999);
    expect(await read()).toHaveLength(2);
    clock.advance(1);
    for (const use of [read, () => store.ping(PATIENCE_MS), () => store.get([]), read]) {
      await expect(use()).rejects.toThrow(MIGRATED_LATER);
    }
    await byHand(url, "delete from footfall_migrations where name = '9999_future'");
    expect(await read()).toHaveLength(2);
  });

  it('says so to a probe that is the first to ask', async () => {
    const { url, clock, store } = await running();
    await shutOut(url);
    clock.advance(1000);
    await expect(store.ping(PATIENCE_MS)).rejects.toThrow(MIGRATED_LATER);
  });

  it('goes on reading where the newer one says that it can', async () => {
    const { url, clock, read } = await running();
    await byHand(
      url,
      `insert into footfall_migrations (name, run_on, compatible_from) values ('9999_future', now(), '${NEWEST}')`,
    );
    clock.advance(1000);
    expect(await read()).toHaveLength(2);
  });

  it('counts nothing from that moment', async () => {
    const { url, store, counted } = await running();
    await shutOut(url);
    await expect(store.counts.totals()).rejects.toThrow(MIGRATED_LATER);
    expect(await counted()).toEqual([{ events: 1 }]);
    await byHand(url, "delete from footfall_migrations where name = '9999_future'");
    expect(await store.counts.totals()).toMatchObject([{ events: 2 }]);
  });

  it('is waited for while it counts, and reads while the migration waits', async () => {
    const { url, clock, store, counted, read } = await running();
    const other = await holdConnection(url);
    await other.query('begin; select from counted_up_to for update');
    const counting = store.counts.totals();
    await expect.poll(() => waitingForLocks(url)).toHaveLength(1);
    await byHand(url, BEFORE_REPEATABLE);
    const migrated = expect(openStore(url).migrate()).rejects.toThrow('a table was not free');
    await expect.poll(() => waitingForLocks(url)).toHaveLength(2);
    const ofList = `from pg_locks where relation = 'footfall_migrations'::regclass`;
    expect(await byHand(url, `select mode ${ofList} and mode = 'AccessExclusiveLock'`)).toEqual([]);
    clock.advance(1000);
    expect(await read()).toHaveLength(2);
    await migrated;
    await other.query('rollback');
    expect(await counting).toMatchObject([{ events: 2 }]);
    expect(await counted()).toEqual([{ events: 2 }]);
    await openStore(url).migrate();
  });
});

/** A database whose `events` a migration has to change, and somebody who reads them and does not come to an end. */
async function obstructed(): Promise<{ url: string; go(): Promise<void> }> {
  const url = await freshDatabase();
  await openStore(url).ping(PATIENCE_MS);
  await byHand(
    url,
    `delete from footfall_migrations where name between '0006' and '${REPEATABLE}'; drop table known_values;
     alter table events drop column happened_at`,
  );
  const reader = await holdConnection(url);
  await reader.query('begin; lock table events in access share mode');
  return { url, go: async () => void (await reader.query('rollback')) };
}

/** Holds the lock of whoever migrates. */
async function migrating(url: string): Promise<{ end(): Promise<void> }> {
  const other = await holdConnection(url);
  await other.query(
    "begin; select pg_advisory_xact_lock(hashtextextended('footfall migrations in public', 0))",
  );
  return { end: async () => void (await other.query('rollback')) };
}

describe('a migration that others are in the way of', () => {
  it('is not tried again for half a minute, however often it is asked for, so that events are stored', async () => {
    const { url, go } = await obstructed();
    const clock = handClock();
    const store = openStore(url, undefined, 5, true, clock);
    const positions = () => store.positions(TOPIC.group, TOPIC.topic);
    await expect(positions()).rejects.toThrow('a table was not free');
    await go();
    // It would work now.
    clock.advance(29_999);
    await expect(positions()).rejects.toThrow('a table was not free');
    await expect(store.claim(TOPIC, [0])).rejects.toThrow('a table was not free');
    await expect(store.ping(PATIENCE_MS)).rejects.toThrow('a table was not free');
    clock.advance(1);
    expect(await positions()).toEqual([]);
  });

  it('is not waited for once somebody else has done it', async () => {
    const { url, go } = await obstructed();
    const store = openStore(url, undefined, 5, true, handClock());
    await expect(store.claim(TOPIC, [0])).rejects.toThrow('a table was not free');
    await go();
    await openStore(url).migrate();
    await store.claim(TOPIC, [0]);
  });

  it('is tried at once by a person', async () => {
    const { url, go } = await obstructed();
    const store = openStore(url, undefined, 5, true, handClock());
    await expect(store.migrate()).rejects.toThrow('a table was not free');
    await go();
    await store.migrate();
  });
});

describe('a migration that another instance is at', () => {
  const IS_AT_IT = 'another instance is changing the tables';

  it('is waited for a second, in no statement, and not at all by who is closed', async () => {
    const url = await freshDatabase();
    const other = await migrating(url);
    const clock = handClock();
    const store = openStore(url, undefined, 5, true, clock);
    const asked = expect(store.claim(TOPIC, [0])).rejects.toThrow(IS_AT_IT);
    for (let looks = 1; looks < 10; looks++) {
      await expect.poll(() => clock.sleeps).toHaveLength(looks);
      clock.advance(100);
    }
    await asked;
    const again = expect(store.claim(TOPIC, [0])).rejects.toThrow(IS_AT_IT);
    await expect.poll(() => clock.sleeps).toHaveLength(10);
    expect(await waitingForLocks(url)).toEqual([]);
    await store.close();
    await again;
    await other.end();
    await openStore(url).claim(TOPIC, [0]);
  });

  it('is waited for by a person for as long as it takes', async () => {
    const url = await freshDatabase();
    const other = await migrating(url);
    const clock = handClock();
    const store = openStore(url, undefined, 5, true, clock);
    const migrated = store.migrate();
    for (let looks = 1; looks <= 10; looks++) {
      await expect.poll(() => clock.sleeps).toHaveLength(looks);
      if (looks < 10) clock.advance(100);
    }
    expect(clock.sleeps.at(-1)).toBe(1000);
    await other.end();
    clock.advance(1000);
    await migrated;
    await openStore(url).ping(PATIENCE_MS);
  });
});

describe('a release that must not migrate', () => {
  it('says what is missing and who has to do it, and goes on by itself then', async () => {
    const url = await freshDatabase();
    const store = openStore(url, undefined, 2, false);
    const lacks = (names: string[]) =>
      `schema public lacks the migrations ${names.join(', ')}, and DATABASE_MIGRATE=off keeps Footfall from running them: run "footfall migrate" as the owner of the tables`;
    await expect(store.claim(TOPIC, [0])).rejects.toThrow(lacks(NAMES));
    await expect(store.inspect(PATIENCE_MS)).rejects.toThrow(lacks(NAMES));
    expect(await byHand(url, "select 1 from pg_tables where schemaname = 'public'")).toEqual([]);
    await openStore(url).migrate();
    await store.claim(TOPIC, [0]);
    await byHand(url, BEFORE_REPEATABLE);
    await expect(store.claim(TOPIC, [0])).rejects.toThrow(lacks([REPEATABLE]));
    // Also where its own settings say the opposite: whoever gives the command wants it.
    await openStore(url, undefined, 2, false).migrate();
    await store.claim(TOPIC, [0]);
    await store.ping(PATIENCE_MS);
  });
});
