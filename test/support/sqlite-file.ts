import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openSqliteFile, type SqliteFile } from '../../src/sqlite/sqlite-file.ts';
import { tempFolder } from './temp-folder.ts';

/** A new file for one test, closed when it ends. */
export async function tempSqliteFile(): Promise<SqliteFile> {
  const file = openSqliteFile(join(await tempFolder(), 'footfall.db'));
  onTestFinished(() => file.close());
  return file;
}
