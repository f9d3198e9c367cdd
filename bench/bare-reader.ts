// Reads all events with the store's own client and does nothing with them, each time it is asked over HTTP.
import { createServer } from 'node:http';
import pg from 'pg';
import { openSqliteFile } from '../src/sqlite/sqlite-file.ts';

const CLIENT_PAGE = 1000;

const [address] = process.argv.slice(2) as [string];
const readAll = address.startsWith('sqlite:') ? readSqlite : readPostgres;

async function readSqlite(): Promise<number> {
  const { db, close } = openSqliteFile(address.replace('sqlite:', ''));
  let count = 0;
  for (const _row of db.prepare('select seq, json from events order by seq').iterate()) count++;
  close();
  return count;
}

async function readPostgres(): Promise<number> {
  const client = new pg.Client({ connectionString: address });
  await client.connect();
  let count = 0;
  for (let seq = '0'; ; ) {
    const { rows } = await client.query<{ seq: string }>(
      `select seq, json from events where seq > $1 order by seq limit ${CLIENT_PAGE}`,
      [seq],
    );
    if (rows.length === 0) break;
    count += rows.length;
    seq = rows.at(-1)!.seq;
  }
  await client.end();
  return count;
}

const server = createServer(async (_request, response) => void response.end(String(await readAll())));
server.listen(0, '127.0.0.1', () => {
  console.log(`answers on http://127.0.0.1:${(server.address() as { port: number }).port}`);
});
