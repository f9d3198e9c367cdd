// In: a database that answers. Out: settings of the server that may do harm, and what a maintainer asks for. Changes nothing.
import type { ClientBase } from 'pg';
import { systemClock } from '../../clock.ts';
import type { Examination } from '../../log/examination.ts';
import { BUILDER } from './index-builds.ts';
import { MIGRATIONS } from './migration-files.ts';
import { describeUnbuilt } from './schema-inspection.ts';
import { unbuiltIndexes } from './standing.ts';

/** Further apart, times of events and of what happens to them no longer fit together. */
const MAX_SKEW_SECONDS = 5;
/** Whoever holds a transaction open for longer has forgotten it. */
const LONG_OPEN_SECONDS = 60;
/** Of the connections that the server allows. */
const NEARLY_ALL = 0.9;

export interface ServerState {
  version: string;
  fsync: string;
  synchronousCommit: string;
  statementTimeout: string;
  maxConnections: number;
  connections: number;
  /** Seconds since 1970, by the clock of the server. */
  time: number;
  databaseBytes: number;
  /** The longest open transaction of somebody who does nothing in it, other than who builds an index; null: none. */
  idlePid: number | null;
  idleSeconds: number | null;
  tables: { name: string; bytes: number; rows: number }[];
  hasBookkeeping: boolean;
}

const STATE = `
with idle as (
  select pid, extract(epoch from clock_timestamp() - state_change)::float8 as seconds from pg_stat_activity
  where datname = current_database() and state like 'idle in transaction%' and application_name <> '${BUILDER}' order by state_change limit 1
), own as (
  select c.relname as name, pg_total_relation_size(c.oid)::float8 as bytes, c.reltuples::float8 as rows
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = current_schema() and c.relkind in ('r', 'p') order by bytes desc limit 50
)
select current_setting('server_version') as version, current_setting('fsync') as fsync,
  current_setting('synchronous_commit') as "synchronousCommit",
  current_setting('statement_timeout') as "statementTimeout",
  current_setting('max_connections')::integer as "maxConnections",
  (select count(*)::integer from pg_stat_activity where backend_type = 'client backend') as connections,
  extract(epoch from clock_timestamp())::float8 as time,
  pg_database_size(current_database())::float8 as "databaseBytes",
  (select pid from idle) as "idlePid", (select seconds from idle) as "idleSeconds",
  (select coalesce(json_agg(own), '[]') from own) as tables,
  to_regclass('footfall_migrations') is not null as "hasBookkeeping"`;

/** @throws the errors of PostgreSQL */
export async function examine(client: ClientBase): Promise<Examination> {
  const askedAt = systemClock.date().getTime();
  const { rows } = await client.query<ServerState>(STATE);
  const answeredAt = systemClock.date().getTime();
  const { hasBookkeeping, ...state } = rows[0]!;
  const migrations = hasBookkeeping
    ? (await client.query<{ name: string }>('select name from footfall_migrations order by id')).rows
    : [];
  const facts = { ...state, migrations: migrations.map(({ name }) => name) };
  const warnings = serverWarnings(state, { askedAt, answeredAt });
  return { warnings: [...warnings, ...(await indexWarnings(client, facts.migrations))], facts };
}

/** Where tables are of another version, indexes are as that made them. */
async function indexWarnings(client: ClientBase, applied: readonly string[]): Promise<string[]> {
  const isOurs =
    applied.length === MIGRATIONS.length && MIGRATIONS.every(({ name }) => applied.includes(name));
  return isOurs ? describeUnbuilt(client, await unbuiltIndexes(client)) : [];
}

/** @param own the clock of this machine around the question, in milliseconds since 1970 */
export function serverWarnings(
  state: Omit<ServerState, 'hasBookkeeping'>,
  own: { askedAt: number; answeredAt: number },
): string[] {
  const warnings: string[] = [];
  const skew = skewSeconds(state.time, own);
  if (Math.abs(skew) > MAX_SKEW_SECONDS) {
    const direction = skew > 0 ? 'ahead of' : 'behind';
    warnings.push(
      `the clock of PostgreSQL is ${Math.round(Math.abs(skew))} s ${direction} this machine's: let both follow a time server`,
    );
  }
  if (state.fsync === 'off') {
    warnings.push('fsync is off: a crash of the server can destroy the database. Set fsync = on');
  }
  if (state.synchronousCommit === 'off') {
    warnings.push(
      'synchronous_commit is off: a crash loses the last transactions, which Footfall then reads from the log again. Set synchronous_commit = on',
    );
  }
  if (state.connections > NEARLY_ALL * state.maxConnections) {
    warnings.push(
      `${state.connections} of max_connections = ${state.maxConnections} are in use: raise it, lower DATABASE_POOL_SIZE, or put a pooler in front`,
    );
  }
  if (state.idleSeconds !== null && state.idleSeconds > LONG_OPEN_SECONDS) {
    warnings.push(
      `process ${state.idlePid} has an idle transaction open for ${Math.round(state.idleSeconds)} s: end it, or set idle_in_transaction_session_timeout`,
    );
  }
  return warnings;
}

/** 0 while the clock of the server is between the two readings of our own. */
function skewSeconds(time: number, { askedAt, answeredAt }: { askedAt: number; answeredAt: number }): number {
  if (time * 1000 > answeredAt) return time - answeredAt / 1000;
  return Math.min(0, time - askedAt / 1000);
}
