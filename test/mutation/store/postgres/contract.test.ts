import { describe, inject } from 'vitest';
import { createDatabase } from '../../../../scripts/postgres-server.ts';
import { eventStoreContract } from '../../../contract/event-store.contract.ts';
import { byHand, openStore } from '../../../support/postgres.ts';

// As test/contract does.
describe('PostgreSQL store', () => {
  const open = async () => {
    const url = await createDatabase(inject('postgres'));
    return {
      store: openStore(url),
      second: async () => openStore(url),
      sql: async (text: string) => void (await byHand(url, text)),
    };
  };
  eventStoreContract(open, { durable: true });
});
