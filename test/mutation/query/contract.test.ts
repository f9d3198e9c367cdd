import { describe } from 'vitest';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { differenceContract } from '../../contract/difference.contract.ts';
import { funnelContract } from '../../contract/funnel.contract.ts';
import { returningContract } from '../../contract/returning.contract.ts';
import { seriesContract } from '../../contract/series.contract.ts';

// As test/contract does, with the other stores, too.
describe('what counts and compares events', () => {
  const open = async () => {
    const store = new MemoryStore();
    return { store, second: async () => store };
  };
  seriesContract(open);
  differenceContract(open);
  funnelContract(open);
  returningContract(open);
});
