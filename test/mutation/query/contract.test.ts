import { describe } from 'vitest';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { questionsContract } from '../../contract/questions.contract.ts';

// As test/contract does, with the other stores, too.
describe('what counts and compares events', () => {
  questionsContract(async () => {
    const store = new MemoryStore();
    return { store, second: async () => store };
  });
});
