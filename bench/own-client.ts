// Reading all events with the store's own client, and nothing done with them.
import pg from 'pg';
import { openSqliteFile } from '../src/sqlite/sqlite-file.ts';

const PAGE = 1000;
const SQLITE = 'sqlite:';

/** @param address as of `DATABASE_URL`. @returns how many events there are */
export function readWithClient(address: string): Promise<number> {
  return address.startsWith(SQLITE) ? readSqlite(address.slice(SQLITE.length)) : readPostgres(address);
}

async function readSqlite(path: string): Promise<number> {
  const { db, close } = openSqliteFile(path);
  let count = 0;
  for (const _row of db.prepare('select json from events order by seq').iterate()) count++;
  close();
  return count;
}

async function readPostgres(connectionString: string): Promise<number> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  let count = 0;
  for (let seq = '0'; ; ) {
    const { rows } = await client.query<{ seq: string }>(
      `select seq, json from events where seq > $1 order by seq limit ${PAGE}`,
      [seq],
    );
    if (rows.length === 0) break;
    count += rows.length;
    seq = rows.at(-1)!.seq;
  }
  await client.end();
  return count;
}
