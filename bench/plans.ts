// What PostgreSQL reads for a page of events, and how long that takes, where what is looked for is rare, absent or late.
import pg from 'pg';
import { HOUR_MS } from '../src/store/event-store.ts';
import { PostgresStore } from '../src/store/postgres/postgres-store.ts';
import { type Cost, costsOf, readingStatements, type Statement, statementsOf } from './explain.ts';
import { type BenchOptions, silent, type TestCluster } from './ground.ts';
import { FIRST_HOUR, lateEvents } from './late-events.ts';
import type { Row } from './rows.ts';

const PING_MS = 60_000;
const MOST_MS = 20;
const MOST_PAGES = 200;
/** Ten events, and one that says whether there are more. */
const LIMIT = 11;
const ANYWHERE = { after: 0, upTo: Number.MAX_SAFE_INTEGER, limit: LIMIT, order: 'desc' } as const;
const DAY = 24;
const HOURS = 90 * DAY;

const times = (hours: number) => {
  const from = (FIRST_HOUR + 1000) * HOUR_MS;
  return { from, to: from + hours * HOUR_MS };
};

interface Case {
  what: string;
  ask(store: PostgresStore): Promise<readonly unknown[]>;
  /** Without: it costs as much as the hours that it is about. */
  isBounded: boolean;
}

const ofType = (eventType: string): Case['ask'] => {
  return (store) => store.read({ ...ANYWHERE, eventTypes: [eventType] });
};
const ofHours = (hours: number): Case['ask'] => {
  return (store) => store.read({ ...ANYWHERE, times: times(hours) });
};

const CASES: Case[] = [
  { what: 'a rare type', ask: ofType('RARE'), isBounded: true },
  { what: 'an absent type', ask: ofType('ABSENT'), isBounded: true },
  { what: 'a type that was frequent long ago, newest first', ask: ofType('OLD'), isBounded: true },
  {
    what: 'a user of every twentieth event',
    ask: (store) => store.read({ ...ANYWHERE, userId: 'heavy' }),
    isBounded: true,
  },
  { what: 'an hour in storage order', ask: ofHours(1), isBounded: true },
  {
    what: 'an hour by time',
    ask(store) {
      const { from, to } = times(1);
      const after = { time: from, sequence: 0 };
      return store.readByTime({ after, before: { time: to, sequence: 0 }, limit: LIMIT, order: 'desc' });
    },
    isBounded: true,
  },
  { what: 'a day in storage order', ask: ofHours(DAY), isBounded: false },
  { what: 'a week in storage order', ask: ofHours(7 * DAY), isBounded: false },
];

export async function benchPlans(ground: TestCluster, { runs, events }: BenchOptions): Promise<Row[]> {
  const url = await ground.database();
  const store = new PostgresStore({ url, poolSize: 1, logger: silent });
  const client = new pg.Client({ connectionString: url });
  try {
    await store.ping(PING_MS);
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    for (const statement of lateEvents(events, HOURS)) await client.query(statement);
    console.error(`plans: ${events} events are in PostgreSQL ${rows[0]!.server_version}`);
    const measured: Row[] = [];
    for (const one of CASES) measured.push(...(await benchCase(one, store, client, runs)));
    return measured.map((row) => ({
      ...row,
      notes: `PostgreSQL ${rows[0]!.server_version}, ${events} events`,
    }));
  } finally {
    await client.end();
    await store.close();
  }
}

async function benchCase(
  { what, ask, isBounded }: Case,
  store: PostgresStore,
  client: pg.Client,
  runs: number,
): Promise<Row[]> {
  const statements = readingStatements(await statementsOf(() => ask(store)));
  const calls: number[] = [];
  const slowest: Cost[] = [];
  for (let run = 0; run < runs; run++) {
    const startedAt = performance.now();
    await ask(store);
    calls.push(performance.now() - startedAt);
    slowest.push(await dearest(client, statements));
  }
  const row = { part: 'plans', runs: slowest.map(({ ms }) => ms), unit: 'ms' };
  const pages = { part: 'plans', runs: slowest.map(({ buffers }) => buffers), unit: 'pages' };
  return [
    { ...row, what: `${what}, statement`, byMedian: true, ...(isBounded && { wanted: { atMost: MOST_MS } }) },
    { ...row, what: `${what}, call`, runs: calls },
    { ...pages, what, ...(isBounded && { wanted: { atMost: MOST_PAGES } }) },
  ];
}

/** The most that one of them takes, planned for its values or for any. */
async function dearest(client: pg.Client, statements: readonly Statement[]): Promise<Cost> {
  const costs: Cost[] = [];
  for (const statement of statements) costs.push(...(await costsOf(client, statement)));
  const most = (of: (cost: Cost) => number) => Math.max(...costs.map(of));
  return {
    rows: most(({ rows }) => rows),
    removed: most(({ removed }) => removed),
    buffers: most(({ buffers }) => buffers),
    ms: most(({ ms }) => ms),
  };
}
