import { describe } from 'vitest';
import { SqliteStore } from '../../../../src/store/sqlite/sqlite-store.ts';
import { eventStoreContract } from '../../../contract/event-store.contract.ts';
import { tempSqliteFile } from '../../../support/sqlite-file.ts';

// As test/contract does, which needs servers for the other stores.
describe('SQLite store', () => {
  const open = async () => {
    const file = await tempSqliteFile();
    return {
      store: new SqliteStore(file),
      second: async () => new SqliteStore(file),
      sql: async (text: string) => file.db.exec(text),
    };
  };
  eventStoreContract(open, { durable: true });
});
