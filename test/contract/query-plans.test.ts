import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Cost, costsOf, readingStatements, type Statement, statementsOf } from '../../bench/explain.ts';
import { FIRST_HOUR, lateEvents } from '../../bench/late-events.ts';
import { type EventStore, HOUR_MS } from '../../src/store/event-store.ts';
import { PostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { silentLogger } from '../support/logger.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { byHand, freshDatabase } from '../support/postgres.ts';
import { tempSqliteFile } from '../support/sqlite-file.ts';

const EVENTS = 200_000;
/** Few, so that an hour has many events. */
const HOURS = 240;
const LIMIT = 11;

const ANYWHERE = { after: 0, upTo: Number.MAX_SAFE_INTEGER, limit: LIMIT };
const HOUR = { from: (FIRST_HOUR + 100) * HOUR_MS, to: (FIRST_HOUR + 101) * HOUR_MS };
const ANY_TIME = { from: 0, to: 8.64e15 };
const between = ({ from, to }: typeof HOUR) => ({
  after: { time: from, sequence: 0 },
  before: { time: to, sequence: 0 },
  limit: LIMIT,
});
const hours = (count: number) => ({ from: HOUR.from, to: HOUR.from + count * HOUR_MS });
const ORDERS = ['asc', 'desc'] as const;
const FILTERS = [
  {},
  ...['heavy', 'user-7', 'absent'].map((userId) => ({ userId })),
  ...[['RARE'], ['OLD'], ['ABSENT'], ['RARE', 'OLD', 'ABSENT']].map((eventTypes) => ({ eventTypes })),
];
const COUNTED = [{}, { userId: 'heavy' }, { userId: 'absent' }, { eventType: 'RARE' }, { eventType: 'OLD' }];

type Case = [name: string, ask: (store: EventStore) => Promise<unknown>];

/** What is given out up to a limit. */
const LISTS: Case[] = [
  ...ORDERS.flatMap((order) =>
    FILTERS.flatMap((filter): Case[] => [
      [`${order} ${JSON.stringify(filter)}`, (store) => store.read({ ...ANYWHERE, ...filter, order })],
      [
        `${order} ${JSON.stringify(filter)} in the middle`,
        (store) => store.read({ ...ANYWHERE, after: 90_000, upTo: 110_000, ...filter, order }),
      ],
      [
        `${order} ${JSON.stringify(filter)} by time`,
        (store) => store.readByTime({ ...between(ANY_TIME), ...filter, order }),
      ],
      [
        `${order} ${JSON.stringify(filter)} of an hour by time`,
        (store) => store.readByTime({ ...between(HOUR), ...filter, order }),
      ],
    ]),
  ),
  ...ORDERS.flatMap((order) =>
    [HOUR, { from: HOUR.from + 1, to: HOUR.to }, hours(24), { from: 0, to: HOUR_MS }].map(
      (times): Case => [
        `${order} ${JSON.stringify(times)}`,
        (store) => store.read({ ...ANYWHERE, times, order }),
      ],
    ),
  ),
  ...COUNTED.map(
    (filter): Case => [
      `intervals of ${JSON.stringify(filter)}`,
      (store) =>
        store.counts.byInterval({
          ...between(HOUR),
          ...filter,
          origin: HOUR.from,
          length: 60_000,
          by: 'userId',
        }),
    ],
  ),
  ...[
    {},
    { reason: 'rare' },
    { reason: 'solved' },
    { reason: 'absent' },
    { ids: [3, 5] },
    { key: randomUUID() },
  ]
    .flatMap((query) => [query, { ...query, waiting: true }])
    .flatMap((query) => [query, { ...query, before: 9000 }])
    .flatMap((query) =>
      ['group', 'absent'].map(
        (group): Case => [
          `dead letters of ${group} ${JSON.stringify(query)}`,
          (store) => store.deadLetters(group, { ...query, limit: LIMIT }),
        ],
      ),
    ),
  ['known values', (store) => store.counts.valuesFrom('userId', 'user-3', LIMIT)],
  ['events by key', (store) => store.get([randomUUID()])],
];

/** What costs as much as the days, hours or events it is about. */
const SUMS: Case[] = [
  ['totals', (store) => store.counts.totals()],
  ['by hour', (store) => store.counts.byHour({ from: FIRST_HOUR, to: FIRST_HOUR + 24 })],
  ['distinct', (store) => store.counts.distinctByDay('userId', { from: 0, to: 1e6 })],
  ['most frequent', (store) => store.counts.topValues('userId', Math.floor(FIRST_HOUR / 24) + 9, LIMIT)],
  ['sequences', (store) => store.counts.sequenceRange({ from: FIRST_HOUR, to: FIRST_HOUR + 24 })],
  ['of a user', (store) => store.counts.ofUser('heavy')],
  ['a week', (store) => store.read({ ...ANYWHERE, order: 'desc', times: hours(168) })],
];

type Asked = [name: string, statement: Statement];

const isTooMuch = ({ rows, removed, buffers }: Cost) =>
  rows > 10 * LIMIT || removed > 10 * LIMIT || buffers > 200;

async function statementsOfCases(store: EventStore, cases: Case[]): Promise<Asked[]> {
  const found: Asked[] = [];
  for (const [name, ask] of cases) {
    const selects = readingStatements(await statementsOf(() => ask(store)));
    expect(selects, name).not.toEqual([]);
    found.push(...selects.map((select): Asked => [name, select]));
  }
  return found;
}

async function* costsOfAll(client: pg.Client, asked: Asked[]): AsyncGenerator<[string, Cost]> {
  for (const [name, statement] of asked)
    for (const cost of await costsOf(client, statement)) yield [name, cost];
}

async function isAnyTooMuch(client: pg.Client, asked: Asked[]): Promise<boolean> {
  for await (const [, cost] of costsOfAll(client, asked)) if (isTooMuch(cost)) return true;
  return false;
}

describe('what PostgreSQL does for each query', () => {
  let lists: Asked[];
  let sums: Asked[];
  let client: pg.Client;
  let store: PostgresStore;

  beforeAll(async () => {
    const url = await freshDatabase();
    store = new PostgresStore({ url, poolSize: 1, logger: silentLogger });
    await store.ping(PATIENCE_MS);
    for (const statement of lateEvents(EVENTS, HOURS)) await byHand(url, statement);
    client = new pg.Client({ connectionString: url });
    await client.connect();
    lists = await statementsOfCases(store, LISTS);
    sums = await statementsOfCases(store, SUMS);
  });
  afterAll(async () => {
    await store.close();
    await client.end();
  });

  it('reads about as many rows as it gives out, whatever is rare, absent, late or long ago', async () => {
    const costs = await Array.fromAsync(costsOfAll(client, lists));
    expect(costs.filter(([, cost]) => isTooMuch(cost))).toEqual([]);
  });

  it('reads nothing in vain for sums', async () => {
    const costs = await Array.fromAsync(costsOfAll(client, sums));
    expect(costs.filter(([, { removed }]) => removed > 10 * LIMIT)).toEqual([]);
  });

  it('can read an hour in storage order by no other index than that of hours', async () => {
    const ofHour: Case = ['an hour', (one) => one.read({ ...ANYWHERE, order: 'desc', times: HOUR })];
    const asked = await statementsOfCases(store, [ofHour]);
    await client.query('begin; drop index events_by_hour');
    const costs = await Array.fromAsync(costsOfAll(client, asked));
    await client.query('rollback');
    expect(costs).toHaveLength(2);
    // By the index of times, only the events of the hour would be read: all of them, and sorted.
    for (const [, { rows, removed }] of costs) expect(rows + removed).toBeGreaterThan(EVENTS / 4);
  });

  it('needs each of its indexes for that', async () => {
    const { rows: indexes } = await client.query<{ name: string }>(
      `select indexname as name from pg_indexes
       where tablename in ('events', 'dead_letters') and indexdef not like 'CREATE UNIQUE%'`,
    );
    expect(indexes.length).toBeGreaterThan(9);
    const needless = [];
    for (const { name } of indexes) {
      await client.query(`begin; drop index ${name}`);
      const isNeeded = await isAnyTooMuch(client, lists);
      await client.query('rollback');
      if (!isNeeded) needless.push(name);
    }
    expect(needless).toEqual([]);
  });
});

it('makes SQLite neither look through a table nor sort it for what is given out up to a limit', async () => {
  const file = await tempSqliteFile();
  const store = new SqliteStore(file);
  const plans: string[] = [];
  for (const [name, ask] of LISTS) {
    const prepared = vi.spyOn(file.db, 'prepare');
    await ask(store);
    const texts = new Set(prepared.mock.calls.map(([text]) => text));
    prepared.mockRestore();
    for (const text of texts) {
      if (!text.trim().startsWith('select')) continue;
      const steps = file.db.prepare(`explain query plan ${text}`).all() as { detail: string }[];
      plans.push(...steps.map(({ detail }) => `${name}: ${detail}`));
    }
  }
  expect(plans.length).toBeGreaterThan(LISTS.length);
  expect(plans.filter((plan) => /SCAN (events|user_|dead)|TEMP B-TREE/.test(plan))).toEqual([]);
});
