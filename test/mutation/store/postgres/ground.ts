import pg from 'pg';
import { inject } from 'vitest';

/** Where one change of the source is tested. */
const NAME = 'changed';
/** Made by scripts/mutate.ts, with the source as it is. */
const TEMPLATE = 'migrated';

/** The tables of a new store, and whether they have rows then. */
const TABLES = `
select tablename as name, pg_relation_size(format('%I', tablename)::regclass) > 0 as "hasRows" from pg_tables
where schemaname = 'public' and tablename <> 'footfall_migrations'`;
const SEQUENCES = `
select sequencename as name from pg_sequences where schemaname = 'public' and sequencename not like 'footfall_migrations%'`;

let emptying: Promise<() => Promise<void>> | undefined;

/**
 * The address of a database with the tables of an empty store. There is one for all tests of a file: to make one, and its
 * tables, would take most of the time of most tests.
 */
export async function emptyDatabase(): Promise<string> {
  if (emptying === undefined) emptying = makeDatabase();
  else await (await emptying)();
  await emptying;
  return `${inject('postgres')}/${NAME}`;
}

async function makeDatabase(): Promise<() => Promise<void>> {
  const server = await connect('postgres');
  // Another change may have left it, with connections to it.
  await server.query(`drop database if exists ${NAME} with (force)`);
  await server.query(`create database ${NAME} template ${TEMPLATE}`);
  await server.end();
  const client = await connect(NAME);
  const { rows } = await client.query<{ name: string; hasRows: boolean }>(TABLES);
  const filled = rows.filter(({ hasRows }) => hasRows);
  await client.query('create schema kept');
  for (const { name } of filled) await client.query(`create table kept.${name} as table ${name}`);
  const sequences = await client.query<{ name: string }>(SEQUENCES);
  // To truncate tables takes ten times as long.
  const statements = [
    ...rows.map(({ name }) => `delete from ${name}`),
    ...sequences.rows.map(({ name }) => `alter sequence ${name} restart`),
    ...filled.map(({ name }) => `insert into ${name} table kept.${name}`),
  ].join(';');
  return async () => void (await client.query(statements));
}

async function connect(database: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: `${inject('postgres')}/${database}` });
  client.on('error', () => {});
  await client.connect();
  return client;
}
