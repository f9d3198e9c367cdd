import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openSqliteFile } from '../../src/sqlite/sqlite-file.ts';
import { appendIn } from './embedded-log.ts';
import { serviceHere } from './service.ts';
import { tempFolder } from './temp-folder.ts';

export const TOPIC = 'user-activity-events';
export const GROUP = 'user-activity-consumer-group';

export function eventJson(eventId: string): string {
  return `{"eventId":"${eventId}","userId":"u","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00.000Z","payload":{}}`;
}

/** Lets the service process all of a log: three events, one of them twice, and a piece of junk. */
export async function processedFolder(): Promise<{ folder: string; ids: string[] }> {
  const folder = await tempFolder();
  const ids = [randomUUID(), randomUUID(), randomUUID()];
  await appendIn(folder, [...ids.map(eventJson), 'junk', eventJson(ids[0]!)]);
  const { url, stop } = await serviceHere({ DATA_DIR: folder });
  const ledger = async () => (await fetch(`${url}/metrics`)).text();
  await expect.poll(ledger).toContain('footfall_ledger_records{partition="0",outcome="passed"} 5');
  for (const [outcome, count] of Object.entries({
    stored: 3,
    duplicates: 1,
    deadLettered: 1,
    unaccounted: 0,
  })) {
    expect(await ledger()).toContain(`footfall_ledger_records{partition="0",outcome="${outcome}"} ${count}`);
  }
  await stop();
  return { folder, ids };
}

/** Does by hand what nothing should do. */
export function damage(folder: string, sql: string): void {
  const file = openSqliteFile(join(folder, 'footfall.db'));
  file.db.exec(sql);
  file.close();
}
