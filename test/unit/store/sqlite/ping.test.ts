import { expect, it } from 'vitest';
import { StoreUnavailableError } from '../../../../src/store/event-store.ts';
import { SqliteStore } from '../../../../src/store/sqlite/sqlite-store.ts';
import { tempSqliteFile } from '../../../support/sqlite-file.ts';

it('a ping of the SQLite store says that its file cannot be written, and not any more once it can', async () => {
  const file = await tempSqliteFile();
  const store = new SqliteStore(file);
  await store.ping();
  file.db.exec('pragma query_only = on');
  await expect(store.ping()).rejects.toThrow(
    new StoreUnavailableError('attempt to write a readonly database'),
  );
  file.db.exec('pragma query_only = off');
  await store.ping();
});
