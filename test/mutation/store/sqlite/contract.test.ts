import { join } from 'node:path';
import { describe, onTestFinished } from 'vitest';
import { openSqliteFile } from '../../../../src/sqlite/sqlite-file.ts';
import { SqliteStore } from '../../../../src/store/sqlite/sqlite-store.ts';
import { eventStoreContract } from '../../../contract/event-store.contract.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

// As test/contract does, which needs servers for the other stores.
describe('SQLite store', () => {
  const open = async () => {
    const file = openSqliteFile(join(await tempFolder(), 'footfall.db'));
    onTestFinished(() => file.close());
    return {
      store: new SqliteStore(file),
      second: async () => new SqliteStore(file),
      sql: async (text: string) => file.db.exec(text),
    };
  };
  eventStoreContract(open, { durable: true });
});
