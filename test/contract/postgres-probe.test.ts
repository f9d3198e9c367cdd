import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDatabase, PostgresServer } from '../../scripts/postgres-server.ts';
import { StoreUnavailableError } from '../../src/store/event-store.ts';
import { PATIENCE_MS, RUNS_OUT_MS } from '../support/patience.ts';
import {
  byHand,
  createRole,
  cutConnections,
  freshDatabase,
  holdConnection,
  openStore,
} from '../support/postgres.ts';
import { newBatch, newEvent, TOPIC } from '../support/store-batches.ts';
import { sharedFolder } from '../support/temp-folder.ts';

/** A quarter of it is waited for a lock; the rest is there to find out who has it. */
const LOCKED_MS = 20 * RUNS_OUT_MS;

/** A store that works, on a database of its own. */
async function working() {
  const url = await freshDatabase();
  const store = openStore(url);
  await store.ping(PATIENCE_MS);
  return { url, store };
}

const outcome = (ping: Promise<void>) =>
  ping.then(
    () => 'up',
    (error: Error) => error.message,
  );

describe("a store's ping", () => {
  it('fails where the session may not write, with its reason, and not any more once it may', async () => {
    const { url, store } = await working();
    const database = new URL(url).pathname.slice(1);
    await byHand(url, `alter database ${database} set default_transaction_read_only = on`);
    await cutConnections(url);
    const reason = 'cannot execute INSERT in a read-only transaction';
    await expect.poll(() => outcome(store.ping(PATIENCE_MS))).toBe(reason);
    await expect(store.claim(TOPIC, [0])).rejects.toThrow(StoreUnavailableError);
    expect((await store.watermarks()).latest).toBe(0);
    await byHand(
      url,
      `begin; set transaction read write; alter database ${database} set default_transaction_read_only = off; commit`,
    );
    await cutConnections(url);
    await expect.poll(() => outcome(store.ping(PATIENCE_MS))).toBe('up');
  });

  it.each([
    ['insert on events', 'permission denied for table events'],
    ['update on events', 'permission denied for table events'],
    ['insert on positions', 'permission denied for table positions'],
    ['update on positions', 'permission denied for table positions'],
    ['insert on dead_letters', 'permission denied for table dead_letters'],
    ['insert on pending_values', 'permission denied for table pending_values'],
  ])('fails without the right to %s', async (right, reason) => {
    const { url } = await working();
    const { role, as } = await createRole(url);
    await byHand(
      url,
      `grant select, insert, update, delete on all tables in schema public to ${role};
       grant select on all sequences in schema public to ${role}; revoke ${right} from ${role}`,
    );
    await expect(openStore(as(url)).ping(PATIENCE_MS)).rejects.toThrow(new StoreUnavailableError(reason));
  });

  it('says who has locked a table, and since when', async () => {
    const { url, store } = await working();
    const other = await holdConnection(url);
    const { rows } = await other
      .query<{ pid: number; since: Date }>(
        'begin; lock table positions; select pg_backend_pid() as pid, now() as since',
      )
      .then((results) => (results as unknown as { rows: { pid: number; since: Date }[] }[])[2]!);
    const { pid, since } = rows[0]!;
    await expect
      .poll(() => outcome(store.ping(LOCKED_MS)))
      .toBe(`table positions is locked by process ${pid} since ${since.toISOString()}`);
    await other.query('rollback');
    await store.ping(PATIENCE_MS);
  });

  it('says who waits to lock a table and makes all others wait', async () => {
    const { url, store } = await working();
    const [reader, other] = [await holdConnection(url), await holdConnection(url)];
    await reader.query('begin; select 1 from events');
    const waiting = other.query('alter table events add column note text');
    const waits = () =>
      byHand(url, "select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock'");
    await expect.poll(waits).toHaveLength(1);
    await expect
      .poll(() => outcome(store.ping(LOCKED_MS)))
      .toMatch(
        /^table events cannot be used: process \d+ waits since 2\S+Z to lock it, and all others behind it$/,
      );
    await reader.query('rollback');
    await waiting;
    await store.ping(PATIENCE_MS);
  });

  it('does not mind who works on the tables as well', async () => {
    const { url, store } = await working();
    const other = await holdConnection(url);
    // As of a maintenance run, and of a long transaction that stores and reads.
    await other.query('begin; lock table events in share update exclusive mode; select * from events');
    await other.query(
      "insert into events (event_key, user_id, event_type, json, happened_at) values (gen_random_uuid(), '', '', '{}', 0)",
    );
    await store.ping(PATIENCE_MS);
    await other.query('rollback');
  });

  it('and every reading fail on a replica, which cannot tell who is writing', async () => {
    const folder = await sharedFolder();
    const server = await PostgresServer.start(join(folder, 'postgres'));
    onTestFinished(() => server.stop());
    const url = await createDatabase(server.url);
    const store = openStore(url);
    await store.claim(TOPIC, [0]);
    await store.process([newBatch([newEvent({ userId: 'u' })])]);
    await server.stop();
    await writeFile(join(folder, 'postgres', 'standby.signal'), '');
    // This waits for a primary.
    const promoted = server.restart();
    const reason = 'the database is a replica, which does not show who is writing';
    // The first may still find a connection that is cut.
    await expect(store.watermarks()).rejects.toThrow(StoreUnavailableError);
    await expect.poll(() => outcome(store.watermarks().then(() => {}))).toContain(reason);
    await expect(openStore(url).get([])).rejects.toThrow(reason);
    await expect(store.ping(PATIENCE_MS)).rejects.toThrow('cannot execute INSERT in a read-only transaction');
    await byHand(url, 'select pg_promote()');
    await promoted;
    await expect.poll(() => outcome(store.ping(PATIENCE_MS))).toBe('up');
  });
});
