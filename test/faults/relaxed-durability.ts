import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import { passedRecords } from './read-history.ts';

/** So much of the write-ahead log is in memory only when PostgreSQL is killed: some hundred transactions. */
const IN_MEMORY_BYTES = 200_000;
const SETTINGS = { synchronous_commit: 'off', wal_writer_delay: '10s', wal_writer_flush_after: '1GB' };

/** From now on PostgreSQL says that it has committed before that is on disk. */
export async function loseCommits(cluster: Cluster): Promise<void> {
  for (const [name, value] of Object.entries(SETTINGS))
    await cluster.query(`alter system set ${name} = '${value}'`);
  await cluster.query('select pg_reload_conf()');
}

/**
 * kill -9 of PostgreSQL with commits in memory; starts it again, and as it was.
 *
 * @returns by how many records the positions went back
 */
export async function killLosingCommits(cluster: Cluster): Promise<number> {
  while ((await bytesInMemory(cluster)) < IN_MEMORY_BYTES) await sleep(20);
  const before = await passedRecords(cluster);
  await killPostgres(cluster);
  await cluster.postgres.restart();
  const after = await passedRecords(cluster);
  for (const name of Object.keys(SETTINGS)) await cluster.query(`alter system reset ${name}`);
  await cluster.query('select pg_reload_conf()');
  return before - after;
}

async function bytesInMemory(cluster: Cluster): Promise<number> {
  const [row] = await cluster.query<{ bytes: string }>(
    'select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), pg_current_wal_lsn()) as bytes',
  );
  return Number(row!.bytes);
}

async function killPostgres({ postgresFolder }: Cluster): Promise<void> {
  const postmaster = Number((await readFile(join(postgresFolder, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  const children = await childrenOf(postmaster);
  // Itself first: it would otherwise begin to recover when a child dies.
  for (const pid of [postmaster, ...children]) kill(pid, 'SIGKILL');
  // Until the last of them has let go of the shared memory, it cannot be started again.
  while (children.some((pid) => kill(pid, 0))) await sleep(10);
}

/** @returns false when there is no such process */
function kill(pid: number, signal: 'SIGKILL' | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      // The name, in brackets, may hold blanks.
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent ? [pid] : [];
    }),
  );
  return found.flat();
}
