import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FencedError, StoreUnavailableError } from '../../src/store/event-store.ts';
import type { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { type LogLine, listeningLogger } from '../support/logger.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import {
  byHand,
  createRole,
  cutConnections,
  freshDatabase,
  holdConnection,
  inSchema,
  openStore,
  waitingForLocks,
} from '../support/postgres.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';

const MIGRATIONS = globSync('src/store/postgres/migrations/*.sql').length;

async function tablesOf(url: string, schema: string): Promise<string[]> {
  const rows = await byHand<{ name: string }>(
    url,
    `select tablename as name from pg_tables where schemaname = '${schema}' order by tablename`,
  );
  return rows.map(({ name }) => name);
}

async function storeOne(url: string, userId: string): Promise<void> {
  const store = openStore(url);
  await store.claim(TOPIC, [0]);
  await store.process([newBatch([newEvent({ userId })])]);
}

async function usersIn(url: string): Promise<string[]> {
  const read = await openStore(url).read({ order: 'asc', after: 0, upTo: 1e9, limit: 10 });
  return read.map(({ json }) => (JSON.parse(json) as { userId: string }).userId);
}

describe('the schema of the tables', () => {
  it('is the one the connection leads to, for two Footfalls in one database, each with its own bookkeeping', async () => {
    const url = await freshDatabase();
    await byHand(url, 'create schema one; create schema "Two, too"');
    const [one, two] = [inSchema(url, 'one'), inSchema(url, '"Two,\\ too"')];
    await storeOne(one, 'of one');
    await storeOne(two, 'of two');
    expect([await usersIn(one), await usersIn(two)]).toEqual([['of one'], ['of two']]);
    expect(await tablesOf(url, 'one')).toContain('footfall_migrations');
    expect(await tablesOf(url, 'Two, too')).toEqual(await tablesOf(url, 'one'));
    expect(await tablesOf(url, 'public')).toEqual([]);
  });

  it('is looked at alone: what another schema has been migrated to does not count', async () => {
    const url = await freshDatabase();
    await byHand(url, 'create schema one');
    await openStore(url).ping(PATIENCE_MS);
    await byHand(url, "insert into footfall_migrations (name, run_on) values ('9999_future', now())");
    await openStore(inSchema(url, 'one')).ping(PATIENCE_MS);
    await byHand(url, "insert into one.footfall_migrations (name, run_on) values ('9999_future', now())");
    await expect(openStore(inSchema(url, 'one')).ping(PATIENCE_MS)).rejects.toThrow(
      'of a newer Footfall: it has migration 9999_future',
    );
  });

  it('may be all that a user has a right to', async () => {
    const url = await freshDatabase();
    const { role, as } = await createRole(url);
    await byHand(
      url,
      `create schema one authorization ${role}; revoke all on schema public from public;
       revoke all on database ${new URL(url).pathname.slice(1)} from public;
       grant connect on database ${new URL(url).pathname.slice(1)} to ${role}`,
    );
    await storeOne(as(inSchema(url, 'one')), 'u');
    expect(await usersIn(as(inSchema(url, 'one')))).toEqual(['u']);
  });

  it('may belong to another user: the rights that are documented are enough for the service', async () => {
    const url = await freshDatabase();
    const { role, as } = await createRole(url);
    await openStore(url).ping(PATIENCE_MS);
    await byHand(
      url,
      `revoke create on schema public from public; grant usage on schema public to ${role};
       grant select, insert, update, delete on all tables in schema public to ${role};
       grant select on all sequences in schema public to ${role}`,
    );
    const store = openStore(as(url));
    await store.ping(PATIENCE_MS);
    await storeOne(as(url), 'u');
    expect(await usersIn(as(url))).toEqual(['u']);
    expect(await store.counts.totals()).toMatchObject([{ events: 1 }]);
    expect(await store.positions(TOPIC.group, TOPIC.topic)).toHaveLength(1);
  });

  it('is asked for in one line where the user may not create it, or its tables', async () => {
    const url = await freshDatabase();
    const { role, as } = await createRole(url);
    await byHand(url, 'revoke create on schema public from public');
    const ping = (address: string) => openStore(address).ping(PATIENCE_MS);
    await expect(ping(as(url))).rejects.toThrow(
      new StoreUnavailableError(
        `permission denied for schema public: Footfall makes or changes its tables in schema public. Give ${role} the right to (GRANT CREATE ON SCHEMA "public" TO "${role}"), or run "footfall migrate" as a user that has it`,
      ),
    );
    await expect(ping(as(inSchema(url, 'none')))).rejects.toThrow(
      new StoreUnavailableError(
        `the search_path none leads to no schema that is there and that ${role} may use: create one (CREATE SCHEMA … AUTHORIZATION "${role}"), or name another`,
      ),
    );
  });

  it('is not chosen by accident: another Footfall behind it in the search path is asked about', async () => {
    const url = await freshDatabase();
    await storeOne(url, 'u');
    await byHand(url, 'create schema footfall');
    await expect(openStore(url).ping(PATIENCE_MS)).rejects.toThrow(
      /leads to schema footfall, and behind it is another Footfall, in schema public: name the one/,
    );
    expect(await tablesOf(url, 'footfall')).toEqual([]);
    expect(await usersIn(inSchema(url, 'public'))).toEqual(['u']);
  });

  it('gets the bookkeeping that an earlier version left in public', async () => {
    const url = await freshDatabase();
    await byHand(url, 'create schema one');
    await storeOne(inSchema(url, 'one'), 'u');
    await byHand(url, 'alter table one.footfall_migrations set schema public');
    await byHand(url, "delete from footfall_migrations where name >= '0003'");
    await byHand(
      url,
      `drop table one.counted_up_to, one.pending_values, one.event_counts, one.value_counts, one.distinct_counts,
         one.known_values, one.kept_from, one.gone_events;
       drop index one.events_by_user, one.events_by_type;
       alter table one.events drop column hour, drop column happened_at;
       alter table one.positions drop column rewound, drop column landmarks, drop column expired;
       alter table one.dead_letters drop column digest, add unique (consumer_group, topic_id, partition, "offset")`,
    );
    expect(await usersIn(inSchema(url, 'one'))).toEqual(['u']);
    expect(await tablesOf(url, 'public')).toEqual([]);
    const names = await byHand(url, 'select name from one.footfall_migrations');
    expect(names).toHaveLength(MIGRATIONS);
  });

  it('is left alone where it has a table of somebody else', async () => {
    const url = await freshDatabase();
    await byHand(url, 'create table events (id integer)');
    await expect(openStore(url).ping(PATIENCE_MS)).rejects.toThrow(
      'schema public has a table events that no migration of Footfall made there: give Footfall a schema of its own',
    );
    expect(await tablesOf(url, 'public')).toEqual(['events']);
  });

  it('is not taken for another where a pooler drops the search path', async () => {
    const url = await freshDatabase();
    // As a connection looks from which the option was taken: what counts last is in force.
    const options = encodeURIComponent('-c search_path=one -c search_path=public');
    await expect(openStore(`${url}?options=${options}`).ping(PATIENCE_MS)).rejects.toThrow(
      /search_path of DATABASE_URL does not reach the database, which has public: .* SET search_path = one/,
    );
  });
});

describe('an encoding', () => {
  async function databaseIn(encoding: string): Promise<string> {
    const url = await freshDatabase();
    const name = `${new URL(url).pathname.slice(1)}_${encoding.toLowerCase()}`;
    await byHand(url, `create database ${name} encoding '${encoding}' locale 'C' template template0`);
    return url.replace(/[^/]*$/, name);
  }

  it('without some characters is refused, before an event with one of them keeps all others from being stored', async () => {
    await expect(openStore(await databaseIn('LATIN1')).ping(PATIENCE_MS)).rejects.toThrow(
      "this database has the encoding LATIN1, which lacks most characters: make one with ENCODING 'UTF8' TEMPLATE template0",
    );
  });

  it('that takes bytes as they are keeps every character', async () => {
    const url = await databaseIn('SQL_ASCII');
    await storeOne(url, '日本 😀');
    expect(await usersIn(url)).toEqual(['日本 😀']);
  });
});

describe('tables that are gone', () => {
  /** A running store with one event in schema one, and what the logger was told. */
  async function running(): Promise<{ url: string; store: PostgresStore; lines: LogLine[] }> {
    const url = await freshDatabase();
    await byHand(url, 'create schema one');
    const { logger, lines } = listeningLogger();
    const store = openStore(inSchema(url, 'one'), logger);
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([newEvent({ userId: 'before' })])]);
    return { url, store, lines };
  }

  async function expectWorksFromItsStart(store: PostgresStore): Promise<void> {
    expect(await store.claim(TOPIC, [0])).toMatchObject([{ epoch: 1, offset: null, topicRecreated: false }]);
    await store.process([newBatch([newEvent({ userId: 'after' })])]);
    await store.ping(PATIENCE_MS);
    const read = await store.read({ order: 'asc', after: 0, upTo: 1e9, limit: 10 });
    expect(read.map(({ json }) => JSON.parse(json))).toMatchObject([{ userId: 'after' }]);
    expect(await store.counts.totals()).toMatchObject([{ events: 1 }]);
  }

  it('are made again when all were dropped, and whoever writes learns that its claim is gone', async () => {
    const { url, store, lines } = await running();
    for (const name of await tablesOf(url, 'one')) await byHand(url, `drop table one.${name}`);
    const next = newBatch([newEvent({ userId: 'after' })], { fromOffset: 1, nextOffset: 2 });
    await expect(store.process([next])).rejects.toThrow(StoreUnavailableError);
    await expect(store.process([next])).rejects.toThrow(FencedError);
    await expectWorksFromItsStart(store);
    expect(lines.filter(({ msg }) => msg === 'database migrated')).toHaveLength(2);
  });

  it('are made again when the bookkeeping alone is left, which is said', async () => {
    const { url, store, lines } = await running();
    const names = (await tablesOf(url, 'one')).filter((name) => name !== 'footfall_migrations');
    await byHand(url, `drop table ${names.map((name) => `one.${name}`).join(', ')}`);
    await expect(store.watermarks()).rejects.toThrow('relation "events_seq_seq" does not exist');
    await expectWorksFromItsStart(store);
    expect(lines.map(({ msg }) => msg)).toContain('the tables were gone, and are made again');
  });

  it('are made again with their schema, once a person has made that', async () => {
    const { url, store } = await running();
    await byHand(url, 'drop schema one cascade');
    await expect(store.positions(TOPIC.group, TOPIC.topic)).rejects.toThrow(StoreUnavailableError);
    await expect(store.ping(PATIENCE_MS)).rejects.toThrow('the search_path one leads to no schema');
    await byHand(url, 'create schema one');
    await expectWorksFromItsStart(store);
  });

  it('are made again in a database that was dropped and created', async () => {
    const { url, store } = await running();
    const name = new URL(url).pathname.slice(1);
    const server = url.replace(/[^/]*$/, 'postgres');
    // To be dropped it would have to wait for all that was written on the server to be on disk.
    await cutConnections(url);
    await expect
      .poll(() => byHand(server, `select 1 from pg_stat_activity where datname = '${name}'`))
      .toEqual([]);
    await byHand(server, `alter database ${name} rename to ${name}_gone`);
    // The first may still find a connection that is cut.
    await expect(store.watermarks()).rejects.toThrow(StoreUnavailableError);
    await expect(store.watermarks()).rejects.toThrow(`database "${name}" does not exist`);
    await byHand(server, `create database ${name}`);
    await byHand(url, 'create schema one');
    await expectWorksFromItsStart(store);
  });

  it('are left for a person to decide on when others are there: positions without their events would lie', async () => {
    const { url, store } = await running();
    await byHand(url, 'drop table one.events');
    await expect(store.ping(PATIENCE_MS)).rejects.toThrow('relation "one.events" does not exist');
    const sentence =
      /^in schema one the tables events are gone, and counted_up_to, .*positions, .* are there: restore them from a backup, or drop these, too, so that Footfall makes all of them/;
    await expect(store.ping(PATIENCE_MS)).rejects.toThrow(sentence);
    await expect(store.claim(TOPIC, [0])).rejects.toThrow(sentence);
    expect(await tablesOf(url, 'one')).not.toContain('events');
    await byHand(url, 'drop schema one cascade; create schema one');
    await expectWorksFromItsStart(store);
  });

  it('are known by the migrations that make them', async () => {
    const { url } = await running();
    const made = globSync('src/store/postgres/migrations/*.sql').flatMap((path) => [
      ...readFileSync(path, 'utf8').matchAll(/create table (?:if not exists )?(\w+)/g),
    ]);
    const names = made.map((found) => found[1]);
    expect(await tablesOf(url, 'one')).toEqual([...names, 'footfall_migrations'].sort());
  });
});

describe('a reader', () => {
  /** A writer in a schema that has its first sequence and waits for what becomes of another insertion of its second. */
  async function stuckWriter(url: string, schema: string): Promise<{ go(): Promise<void> }> {
    const own = inSchema(url, schema);
    const store = openStore(own);
    await store.claim(TOPIC, [0]);
    const [first, second] = [newEvent({ userId: 'first' }), newEvent({ userId: 'second' })];
    const blocker = await holdConnection(own);
    await blocker.query('begin');
    await blocker.query(
      'insert into events (event_key, user_id, event_type, json, happened_at) overriding system value values ($1, $2, $3, $4, 0)',
      [second.key, '', '', '{}'],
    );
    const writing = store.process([newBatch([first, second])]);
    await expect.poll(() => waitingForLocks(url)).not.toEqual([]);
    return {
      async go() {
        await blocker.query('rollback');
        await writing;
      },
    };
  }

  it('is not held up by who writes in another schema, whatever the sequences there', async () => {
    const url = await freshDatabase();
    await byHand(url, 'create schema one; create schema two');
    const [one, two] = [openStore(inSchema(url, 'one')), openStore(inSchema(url, 'two'))];
    await two.claim(TOPIC, [0]);
    await two.process([newBatch(Array.from({ length: 50 }, () => newEvent({ userId: 'two' })))]);
    const writer = await stuckWriter(url, 'one');
    const [{ stable: ofTwo, latest }, { stable: ofOne }] = [await two.watermarks(), await one.watermarks()];
    expect(ofTwo).toBe(latest);
    // The sequence before the writer's first is the blocker's.
    expect(ofOne).toBe(1);
    await writer.go();
    expect((await one.watermarks()).stable).toBeGreaterThan(1);
  });

  it('waits for who writes in its own schema also far behind sequences that fit 32 bits', async () => {
    const url = await freshDatabase();
    await byHand(url, 'create schema one');
    const store = openStore(inSchema(url, 'one'));
    await store.ping(PATIENCE_MS);
    const sequence = 2 ** 33;
    await byHand(url, `alter sequence one.events_seq_seq restart with ${sequence}`);
    const writer = await stuckWriter(url, 'one');
    await byHand(url, "select nextval('one.events_seq_seq') from generate_series(1, 10)");
    expect((await store.watermarks()).stable).toBe(sequence);
    await writer.go();
    expect((await store.watermarks()).stable).toBeGreaterThan(sequence + 10);
  });

  it('has no use for a sequence whose numbers are given out in chunks', async () => {
    const url = await freshDatabase();
    await openStore(url).ping(PATIENCE_MS);
    await byHand(url, 'alter sequence events_seq_seq cache 20');
    await expect(openStore(url).ping(PATIENCE_MS)).rejects.toThrow(
      'ALTER SEQUENCE "public".events_seq_seq CACHE 1',
    );
  });

  it('has no use for a database that does not show who holds locks, nor for other databases by their name', async () => {
    const url = await freshDatabase();
    await byHand(
      url,
      `create schema one; create view one.pg_locks as select * from pg_catalog.pg_locks where false;
       create schema two; create function two.version() returns text language sql as
         $$ select 'PostgreSQL 15.2-YB-2.25.1.0-b0 on x86_64-pc-linux-gnu, compiled by clang' $$;
       create schema three; create function three.current_setting(text) returns text language sql as
         $$ select case $1 when 'server_version_num' then '120022' else pg_catalog.current_setting($1) end $$`,
    );
    const ping = (schema: string) => openStore(inSchema(url, schema, 'pg_catalog')).ping(PATIENCE_MS);
    await expect(ping('one')).rejects.toThrow('does not show advisory locks in pg_locks');
    await expect(ping('two')).rejects.toThrow('is not PostgreSQL (PostgreSQL 15.2-YB-2.25.1.0-b0 on');
    await expect(ping('three')).rejects.toThrow('too old: Footfall needs PostgreSQL 13 or later');
  });
});
