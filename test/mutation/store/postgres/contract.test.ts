import { describe } from 'vitest';
import { eventStoreContract } from '../../../contract/event-store.contract.ts';
import { byHand, openStore } from '../../../support/postgres.ts';
import { emptyDatabase } from './ground.ts';

// As test/contract does, but for the questions: they take long, and src/query is where they are answered.
describe('PostgreSQL store', () => {
  const open = async () => {
    const url = await emptyDatabase();
    return {
      store: openStore(url),
      second: async () => openStore(url),
      sql: async (text: string) => void (await byHand(url, text)),
    };
  };
  eventStoreContract(open, { durable: true, questions: false });
});
