import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mutation } from './mutations.ts';

const MIGRATIONS = 'src/store/postgres/migrations';

/** What the next release does to tables that hold something, and says of the one before: as CONTRIBUTING.md asks for. */
const nextMigration = (first: string, name: string) => `${first}
alter table events add column ${name} text;
create table ${name} (seq bigint not null);
create index concurrently by_${name} on events (${name}, seq);
`;

/** The migrations of a release that has some more than this one. */
export interface NextRelease {
  folder: string;
  /** Those that this one does not have; each with a column of `events`, a table and an index named after it. */
  names: string[];
}

/**
 * @param count how many more migrations it has
 * @param isCompatible whether this release works on beside it
 */
export async function nextRelease(
  folder: string,
  { count = 1, isCompatible = true } = {},
): Promise<NextRelease> {
  await mkdir(folder, { recursive: true });
  const files = (await readdir(MIGRATIONS)).sort();
  for (const file of files) await copyFile(join(MIGRATIONS, file), join(folder, file));
  const newest = files.at(-1)!.replace('.sql', '');
  const first = isCompatible
    ? `-- Compatible from ${newest}: it writes neither the column nor the table.`
    : '-- Incompatible: so that somebody is shut out.';
  const names = Array.from({ length: count }, (_, at) => `next_${at + 1}`);
  for (const [at, name] of names.entries())
    await writeFile(
      join(folder, `9${at.toString().padStart(3, '0')}_${name}.sql`),
      nextMigration(first, name),
    );
  return { folder, names };
}

/** The change of the source that makes it the next release, in memory only. */
export function inNextRelease(folder: string): Mutation {
  return {
    file: 'src/store/postgres/migration-files.ts',
    from: "join(import.meta.dirname, 'migrations')",
    to: JSON.stringify(folder),
  };
}
