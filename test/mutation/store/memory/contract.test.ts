import { describe } from 'vitest';
import { MemoryStore } from '../../../../src/store/memory/memory-store.ts';
import { eventStoreContract } from '../../../contract/event-store.contract.ts';

// As test/contract does, which needs servers for the other stores.
describe('memory store', () => {
  const open = async () => {
    const store = new MemoryStore();
    return { store, second: async () => store };
  };
  eventStoreContract(open, { durable: false });
});
