import { differenceContract } from './difference.contract.ts';
import type { StoreHarness } from './event-store.contract.ts';
import { funnelContract } from './funnel.contract.ts';
import { returningContract } from './returning.contract.ts';
import { seriesContract } from './series.contract.ts';

/** What counts and compares events must answer on every store. */
export function questionsContract(open: () => Promise<StoreHarness>): void {
  seriesContract(open);
  differenceContract(open);
  funnelContract(open);
  returningContract(open);
}
