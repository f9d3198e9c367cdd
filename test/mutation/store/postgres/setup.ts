import pg from 'pg';
import { beforeAll, inject } from 'vitest';

/** As `createDatabase` names them. */
const LEFT = "select datname as name from pg_database where datname like 'test\\_%'";

// What tests of another file, or of another change, have left would fill the disk.
beforeAll(async () => {
  const client = new pg.Client({ connectionString: `${inject('postgres')}/postgres` });
  await client.connect();
  const { rows } = await client.query<{ name: string }>(LEFT);
  for (const { name } of rows) await client.query(`drop database if exists ${name} with (force)`);
  await client.end();
});
