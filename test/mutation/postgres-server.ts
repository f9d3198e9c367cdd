import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { PostgresServer } from '../../scripts/postgres-server.ts';

/** Starts a server once for all mutants. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'footfall-mutation-'));
  // As root, PostgreSQL runs as a user of its own, who must get in.
  await chmod(folder, 0o755);
  const postgres = await PostgresServer.start(join(folder, 'postgres'));
  project.provide('postgres', postgres.url);
  return async () => {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  };
}
