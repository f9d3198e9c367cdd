import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { EmbeddedLog } from '../../src/log/embedded/embedded-log.ts';
import type { NewRecord } from '../../src/log/event-log.ts';
import { openSqliteFile, type SqliteFile } from '../../src/sqlite/sqlite-file.ts';
import { appendTo } from './append.ts';
import { PATIENCE_MS } from './patience.ts';
import { tempSqliteFile } from './sqlite-file.ts';

/** An empty log in a file of its own; both are closed when their test ends. */
export async function openLog({ partitions = 1 } = {}): Promise<{ file: SqliteFile; log: EmbeddedLog }> {
  const file = await tempSqliteFile();
  const log = logIn(file, partitions);
  onTestFinished(() => log.close());
  return { file, log };
}

export function logIn(file: SqliteFile, partitions = 1): EmbeddedLog {
  return new EmbeddedLog({ file, partitions, timeoutMs: PATIENCE_MS });
}

/** Appends records to the log of a service that does not run. */
export async function appendIn(
  folder: string,
  values: readonly NewRecord['value'][],
  more: Partial<NewRecord> = {},
): Promise<void> {
  const file = openSqliteFile(join(folder, 'footfall.db'));
  const log = logIn(file);
  const record = { topic: 'user-activity-events', key: 'u', headers: [], ...more };
  await appendTo(
    log,
    values.map((value) => ({ ...record, value })),
  );
  await log.close();
  file.close();
}
