import pg from 'pg';
import type { Logger } from 'pino';
import { inject, onTestFinished } from 'vitest';
import { createDatabase } from '../../scripts/postgres-server.ts';
import type { Clock } from '../../src/clock.ts';
import { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { silentLogger } from './logger.ts';

/** A store that is closed when its test ends. */
export function openStore(
  url: string,
  logger: Logger = silentLogger,
  poolSize = 5,
  migrates?: boolean,
  clock?: Clock,
): PostgresStore {
  const store = new PostgresStore({ url, poolSize, migrates, logger, ...(clock && { clock }) });
  onTestFinished(() => store.close());
  return store;
}

/** An empty database on the server of the tests, and its address. */
export function freshDatabase(): Promise<string> {
  return createDatabase(inject('postgres'));
}

/** What an operator does by hand, on a connection of its own. */
export async function byHand<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query<Row>(text);
    return Array.isArray(result) ? [] : result.rows;
  } finally {
    await client.end();
  }
}

/** The process ids of those that wait for a lock in a database; others on the server are none of its business. */
export async function waitingForLocks(url: string): Promise<number[]> {
  const rows = await byHand<{ pid: number }>(
    url,
    `select distinct l.pid from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where not l.granted and a.datname = current_database()`,
  );
  return rows.map(({ pid }) => pid);
}

/** Ends all connections to a database but this one, as a restart or a failover does. */
export async function cutConnections(url: string): Promise<void> {
  await byHand(
    url,
    'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
  );
}

/** A connection that stays, with whatever it holds, until the test ends or lets go of it. */
export async function holdConnection(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  // Some tests drop the database under it.
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** The address with a search path. */
export function inSchema(url: string, ...schemas: string[]): string {
  return `${url}?options=${encodeURIComponent(`-c search_path=${schemas.join(',')}`)}`;
}

/** Another user of the same server, with a right to nothing, whose password is its name. */
export async function createRole(url: string): Promise<{ role: string; as: (url: string) => string }> {
  const role = `role_${Math.random().toString(36).slice(2, 10)}`;
  await byHand(url, `create role ${role} login password '${role}'`);
  return { role, as: (own) => own.replace(/\/\/[^@]*@/, `//${role}:${role}@`) };
}
