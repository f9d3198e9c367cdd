import { describe, expect, it } from 'vitest';
import { COUNT_MOST, CountBudget, type CountLimits } from '../../../src/query/count-budget.ts';
import { countFunnel, type FunnelQuery } from '../../../src/query/funnel.ts';
import { countReturning, type ReturningQuery } from '../../../src/query/returning-users.ts';
import { HOUR_MS } from '../../../src/store/event-store.ts';
import { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { eventAt, UNLIMITED } from '../../support/counted-events.ts';
import { claimAndStore } from '../../support/storing.ts';

const USERS = 100;
const LAMPS = { path: ['productId'], operator: 'eq', value: 'lamp' } as const;

/** Two events of each user in an hour, and others that nobody asks for. */
async function filled(): Promise<MemoryStore> {
  const store = new MemoryStore();
  const events = Array.from({ length: 2 * USERS }, (_, at) =>
    eventAt(at, `user-${at % USERS}`, at < USERS ? 'VIEW' : 'BUY', '{"productId":"lamp"}'),
  );
  await claimAndStore(store, [...events, eventAt(1, 'user-0', 'LOGOUT', '{}')]);
  return store;
}

/** Watches which of the store's lists are read. */
function watch(store: MemoryStore): Set<string> {
  const read = new Set<string>();
  const { byInterval, occurrences } = store.counts;
  const readByTime = store.readByTime.bind(store);
  store.counts.byInterval = (query) => {
    read.add('counts');
    return byInterval.call(store.counts, query);
  };
  store.counts.occurrences = (query) => {
    read.add('times');
    return occurrences.call(store.counts, query);
  };
  store.readByTime = (query) => {
    read.add('events');
    return readByTime(query);
  };
  return read;
}

const RETURNING: ReturningQuery = {
  from: 0,
  to: HOUR_MS,
  weeks: [0],
  eventTypes: ['VIEW', 'BUY'],
  payload: [],
};
const FUNNEL: FunnelQuery = {
  steps: ['VIEW', 'BUY'].map((eventType) => ({ eventType, payload: [] })),
  withinMs: HOUR_MS,
  from: 0,
  to: HOUR_MS,
};

const COUNTS: Record<string, (store: MemoryStore, limits: CountLimits) => Promise<{ users: number }[]>> = {
  'returning users': (store, limits) => countReturning(store, RETURNING, limits),
  'returning users, by their payloads': (store, limits) =>
    countReturning(store, { ...RETURNING, payload: [LAMPS] }, limits),
  'a funnel': (store, limits) => countFunnel(store, FUNNEL, limits),
  'a funnel, by payloads': (store, limits) => {
    const steps = FUNNEL.steps.map((step, at) => ({ ...step, payload: at === 0 ? [] : [LAMPS] }));
    return countFunnel(store, { ...FUNNEL, steps }, limits);
  },
};

describe.each(Object.keys(COUNTS))('a count of %s', (what) => {
  const count = COUNTS[what]!;
  const of = what.includes('payloads') ? 'read' : 'counted';
  const withMost = (most: Partial<CountLimits['most']>) => ({
    ...UNLIMITED,
    most: { ...COUNT_MOST, ...most },
  });

  it('takes as many events as it may, and refuses one more before it reads any', async () => {
    const store = await filled();
    const read = watch(store);
    const [first] = await count(store, withMost({ [of]: 2 * USERS }));
    expect(first!.users).toBe(USERS);
    expect(read.has('events')).toBe(of === 'read');
    read.clear();
    const refused = count(store, withMost({ [of]: 2 * USERS - 1 }));
    await expect(refused).rejects.toMatchObject({ code: 'too_many_events' });
    expect([...read]).toEqual([]);
  });

  it('reserves memory for its users, and refuses more than it may have', async () => {
    const store = await filled();
    let reserved = 0;
    const reserve = (bytes: number) => {
      reserved += bytes;
    };
    await count(store, { ...UNLIMITED, reserve });
    expect(reserved).toBeGreaterThan(USERS * (120 + 'user-0'.length));
    await count(store, withMost({ bytes: reserved }));
    const tooMuch = count(store, withMost({ bytes: reserved - 1 }));
    await expect(tooMuch).rejects.toMatchObject({ code: 'too_many_events' });
  });

  it('reads nothing once nobody waits for it', async () => {
    const store = await filled();
    const [first] = await count(store, { ...UNLIMITED, isWanted: () => false });
    expect(first!.users).toBe(0);
  });
});

it('counts the events of one user, however many there are of others', async () => {
  const most = { ...COUNT_MOST, counted: 2 };
  const counted = countReturning(await filled(), { ...RETURNING, userId: 'user-7' }, { ...UNLIMITED, most });
  expect(await counted).toMatchObject([{ users: 1 }]);
});

it('reserves what is held at most, however often it becomes less', () => {
  const held = { bytes: 0 };
  const reserved: number[] = [];
  const reserve = (bytes: number) => void reserved.push(bytes);
  const budget = new CountBudget('read', held, { ...UNLIMITED, reserve });
  for (held.bytes of [100, 50, 100, 120]) budget.spend(1);
  expect(reserved).toEqual([100, 20]);
});
