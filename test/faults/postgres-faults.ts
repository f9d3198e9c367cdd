import pg from 'pg';
import { every, type Fault } from './fault.ts';

/** What happens to PostgreSQL and to the network between it and the service. */
export const POSTGRES_FAULTS: Fault[] = [
  {
    name: 'PostgreSQL stopped',
    cases: ['F32'],
    shows: 'store',
    lastsMs: [3000, 8000],
    async inject({ cluster: { postgres } }) {
      await postgres.stop();
      return () => postgres.restart();
    },
  },
  {
    name: "PostgreSQL's backends are terminated",
    cases: ['F32'],
    lastsMs: [2000, 4000],
    async inject({ cluster }) {
      return every(300, () => cluster.terminateBackends());
    },
  },
  {
    name: 'PostgreSQL has too many connections',
    cases: ['F32'],
    shows: 'store',
    lastsMs: [2000, 4000],
    async inject({ cluster }) {
      const url = `${cluster.postgres.url}/postgres`;
      const taken: pg.Client[] = [];
      while (await takeConnection(url, taken));
      // An instance that has a connection keeps it and works: it must lose it and find no other.
      while (await cutInstances(taken[0]!)) while (await takeConnection(url, taken));
      return async () => {
        await Promise.all(taken.map((client) => client.end()));
      };
    },
  },
  {
    name: "PostgreSQL's answers are lost, commits included",
    cases: ['F33'],
    shows: 'store',
    lastsMs: [1000, 4000],
    async inject({ cluster: { postgresProxy } }) {
      postgresProxy.set('mute');
      return async () => postgresProxy.set('pass');
    },
  },
  {
    name: 'network to PostgreSQL holds everything back',
    cases: ['F32'],
    shows: 'store',
    lastsMs: [4000, 10_000],
    async inject({ cluster: { postgresProxy } }) {
      postgresProxy.set('blackhole');
      return async () => postgresProxy.set('pass');
    },
  },
  {
    name: 'network to PostgreSQL is slow',
    cases: ['F32'],
    worksMeanwhile: true,
    lastsMs: [3000, 5000],
    async inject({ cluster: { postgresProxy } }) {
      postgresProxy.set('delay');
      return async () => postgresProxy.set('pass');
    },
  },
  {
    name: 'PostgreSQL half-closes its connections',
    cases: ['F32'],
    lastsMs: [1000, 3000],
    async inject({ cluster: { postgresProxy } }) {
      return every(500, () => postgresProxy.halfClose());
    },
  },
  {
    name: 'the database is read-only',
    cases: ['F32'],
    shows: 'store',
    lastsMs: [2000, 4000],
    async inject({ cluster }) {
      const set = async (text: string) => {
        await cluster.query(`alter system ${text}`);
        await cluster.query('select pg_reload_conf()');
      };
      await set('set default_transaction_read_only = on');
      return () => set('reset default_transaction_read_only');
    },
  },
  ...['events', 'positions'].map(
    (table): Fault => ({
      name: `the table ${table} is locked`,
      ...(table !== 'events' && { isVariant: true }),
      cases: ['F32'],
      shows: {
        where: '/readyz, with who locks it,',
        async isShown(url) {
          const { store } = (await (await fetch(`${url}/readyz`)).json()) as { store: { reason?: string } };
          return store.reason?.includes(`table ${table} is locked by process`) ?? false;
        },
      },
      lastsMs: [3000, 6000],
      async inject({ cluster }) {
        const locker = new pg.Client({ connectionString: `${cluster.postgres.url}/postgres` });
        await locker.connect();
        await locker.query(`begin; lock table ${table} in access exclusive mode`);
        return () => locker.end();
      },
    }),
  ),
];

/** @returns whether there was a connection to cut */
async function cutInstances(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'footfall'",
  );
  return rowCount !== 0;
}

/** @returns false when the server has no connection left */
async function takeConnection(url: string, taken: pg.Client[]): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, application_name: 'greedy' });
  client.on('error', () => {});
  try {
    await client.connect();
    taken.push(client);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== '53300') throw error;
    return false;
  }
}
