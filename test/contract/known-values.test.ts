import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openSqliteFile } from '../../src/sqlite/sqlite-file.ts';
import { type EventStore, TYPE_DIMENSION, USER_DIMENSION } from '../../src/store/event-store.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { WITHOUT_RETENTION_IN_POSTGRES, WITHOUT_RETENTION_IN_SQLITE } from '../support/earlier-tables.ts';
import { byHand, freshDatabase, openStore } from '../support/postgres.ts';
import { newEvent } from '../support/store-batches.ts';
import { storing } from '../support/storing.ts';
import { tempFolder } from '../support/temp-folder.ts';

const DIMENSIONS = [USER_DIMENSION, TYPE_DIMENSION, 'payload.device'];
const known = (store: EventStore) =>
  Promise.all(DIMENSIONS.map((dimension) => store.counts.valuesFrom(dimension, '', 10)));

async function fill(store: EventStore): Promise<void> {
  const storeMore = await storing(store);
  const event = (userId: string, eventType: string, device: string, hour: number) =>
    newEvent({ userId, eventType, hour, counted: [['payload.device', device]] });
  await storeMore([event('b', 'T', 'phone', 0), event('B', 'U', 'tablet', 24), event('b', 'T', 'phone', 48)]);
  await store.counts.totals();
  // These are counted when it is of the new version.
  await storeMore([event('a', 'V', 'phone', 0)]);
}

const EXPECTED = [
  ['B', 'a', 'b'],
  ['T', 'U', 'V'],
  ['phone', 'tablet'],
];

it('the values of a SQLite file of an earlier version are known', async () => {
  const file = openSqliteFile(join(await tempFolder(), 'footfall.db'));
  onTestFinished(() => file.close());
  await fill(new SqliteStore(file));
  file.db.exec(WITHOUT_RETENTION_IN_SQLITE);
  file.db.exec("drop table known_values; update schema_versions set version = 6 where name = 'store'");
  expect(await known(new SqliteStore(file))).toEqual(EXPECTED);
});

it('the values of a PostgreSQL of an earlier version are known', async () => {
  const url = await freshDatabase();
  await fill(openStore(url));
  await byHand(url, WITHOUT_RETENTION_IN_POSTGRES);
  await byHand(url, "drop table known_values; delete from footfall_migrations where name >= '0007'");
  expect(await known(openStore(url))).toEqual(EXPECTED);
});
