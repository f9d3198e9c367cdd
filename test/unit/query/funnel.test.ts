import { expect, it } from 'vitest';
import type { PayloadCondition } from '../../../src/events/payload-conditions.ts';
import { countFunnel } from '../../../src/query/funnel.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { eventAt, UNLIMITED } from '../../support/counted-events.ts';
import { claimAndStore } from '../../support/storing.ts';

/** How many users reach each step. Every event is a view. */
async function usersOf(views: readonly [userId: string, payload: string][], steps: PayloadCondition[][]) {
  const store = new MemoryStore();
  await claimAndStore(
    store,
    views.map(([userId, payload], at) => eventAt(at, userId, 'VIEW', payload)),
  );
  const asked = steps.map((payload) => ({ eventType: 'VIEW', payload }));
  const reached = await countFunnel(store, { steps: asked, withinMs: 100, from: 0, to: 100 }, UNLIMITED);
  return reached.map(({ users }) => users);
}

const equals = (path: string, value: string): PayloadCondition => ({ path: [path], operator: 'eq', value });

it('asks each step for its own conditions where events of one type are two of the steps', async () => {
  const views: [string, string][] = [
    ['ada', '{"product":"lamp"}'],
    ['bob', '{"product":"chair"}'],
    ['ada', '{}'],
    ['bob', '{}'],
  ];
  expect(await usersOf(views, [[equals('product', 'lamp')], []])).toEqual([1, 1]);
  expect(await usersOf(views, [[], [equals('product', 'lamp')]])).toEqual([2, 0]);
});

it('tells numbers apart as they were sent', async () => {
  const views: [string, string][] = [
    ['ada', '{"id":9007199254740993}'],
    ['bob', '{"id":9007199254740992}'],
  ];
  expect(await usersOf(views, [[equals('id', '9007199254740993')], []])).toEqual([1, 0]);
});
