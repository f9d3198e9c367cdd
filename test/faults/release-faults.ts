import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { type Fault, until } from './fault.ts';
import { type NextRelease, nextRelease } from './next-release.ts';
import { passedRecords } from './read-history.ts';

/** So much is processed while two releases run side by side. */
const SIDE_BY_SIDE_RECORDS = 100;
const WITHIN_MS = 30_000;
const SAYS_SO = 'of a newer Footfall, which says that this version works beside it';

/** Two releases on one database. */
export const RELEASE_FAULTS: Fault[] = [
  {
    name: 'instances are rolled to the next release and back',
    cases: ['F21'],
    worksMeanwhile: true,
    lastsMs: [1000, 3000],
    async inject({ cluster, violated }) {
      const count = 1 + (await migratedBefore(cluster));
      const next = await nextRelease(join(cluster.folder, 'next-release'), { count });
      await roll(cluster, next.folder, violated);
      const isMigrated = () => isMigratedTo(cluster, next);
      if (!(await until(isMigrated, WITHIN_MS)))
        violated('I7 the next release does not complete its tables and indexes');
      return async () => {
        await roll(cluster, '', violated);
        for (const instance of cluster.instances) {
          const said = (await instance.logLines()).filter((line) => line.includes(SAYS_SO));
          if (said.length === 0)
            violated(`${instance.name} has not met the newer schema: the fault shows nothing`);
        }
      };
    },
  },
];

/** Replaces one instance after the other; before the next, the releases run side by side for a while. */
async function roll(cluster: Cluster, migrations: string, violated: (what: string) => void): Promise<void> {
  for (const instance of cluster.instances) {
    const code = await instance.stop();
    if (code !== 0) instance.crashes.push(`${instance.name} stopped with ${code}`);
    instance.migrations = migrations;
    await instance.start();
    const before = await passedRecords(cluster);
    const isMore = async () => (await passedRecords(cluster)) >= before + SIDE_BY_SIDE_RECORDS;
    if (!(await until(isMore, WITHIN_MS)))
      violated('I7 nothing is processed while two releases run side by side');
  }
}

async function migratedBefore(cluster: Cluster): Promise<number> {
  const rows = await cluster.query("select 1 from footfall_migrations where name like '9%'");
  return rows.length;
}

async function isMigratedTo(cluster: Cluster, { names }: NextRelease): Promise<boolean> {
  const valid = await cluster.query(
    'select 1 from pg_index where indisvalid and indexrelid::regclass::text = any($1)',
    [names.map((name) => `by_${name}`)],
  );
  return valid.length === names.length;
}
