import type { ClientBase } from 'pg';

/**
 * Does what storing does, with nothing to store: it fails where storing would, on missing tables or privileges, a read-only
 * session, or a table that somebody has locked. It writes nothing and reads no row.
 */
const STORING = [
  ['events', "insert into events (json) select '' where false"],
  ['events', 'update events set duplicates = duplicates where false'],
  ['positions', 'insert into positions (epoch) select 0 where false'],
  ['positions', 'update positions set epoch = epoch where false'],
  ['dead_letters', "insert into dead_letters (detail) select '' where false"],
  ['pending_values', "insert into pending_values (value) select '' where false"],
] as const;
const TABLES = [...new Set(STORING.map(([table]) => table))];

/** @param lockTimeoutMs how long it may wait for a table. @throws the errors of PostgreSQL */
export async function tryStoring(
  client: ClientBase,
  schema: string,
  { lockTimeoutMs, timeoutMs }: { lockTimeoutMs: number; timeoutMs: number },
): Promise<void> {
  // With the schema's name: further down the search path there may be another table of the same name.
  const own = STORING.map(([table, text]) =>
    text.replace(table, `"${schema.replaceAll('"', '""')}".${table}`),
  );
  const text = [`set local lock_timeout = ${lockTimeoutMs}`, ...own].join(';');
  // With the driver's timeout too: otherwise each probe of a frozen server would keep a connection of the pool.
  await client.query({ text, query_timeout: timeoutMs } as { text: string });
}

/** Locks that keep rows from being stored; granted ones before those waited for. */
const LOCKS = `
select c.relname as table, l.pid, l.granted, to_char(a.xact_start at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as since
from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
  left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and l.database = (select oid from pg_database where datname = current_database())
  and n.nspname = $1 and c.relname = any($2) and l.pid is distinct from pg_backend_pid()
  and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
order by l.granted desc, a.xact_start nulls last limit 1`;

interface Lock {
  table: string;
  /** Null for a prepared transaction. */
  pid: number | null;
  /** False: it is waited for, and makes everyone who comes later wait too. */
  granted: boolean;
  /** When its transaction began; null if the role may not see that. */
  since: string | null;
}

/** @returns a sentence that says who keeps events from being stored; undefined if no one does any more */
export async function describeLock(client: ClientBase, schema: string): Promise<string | undefined> {
  const { rows } = await client.query<Lock>(LOCKS, [schema, TABLES]);
  const lock = rows[0];
  if (lock === undefined) return undefined;
  const who = lock.pid === null ? 'a prepared transaction' : `process ${lock.pid}`;
  const since = lock.since === null ? '' : ` since ${lock.since}`;
  if (lock.granted) return `table ${lock.table} is locked by ${who}${since}`;
  return `table ${lock.table} cannot be used: ${who} waits${since} to lock it, and all others behind it`;
}
