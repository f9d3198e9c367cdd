import { expect, it } from 'vitest';
import { prepareQuery } from '../../../../src/sqlite/sqlite-file.ts';
import { SqliteStore } from '../../../../src/store/sqlite/sqlite-store.ts';
import { removeExpired } from '../../../support/expired.ts';
import { tempSqliteFile } from '../../../support/sqlite-file.ts';
import { newEvent } from '../../../support/store-batches.ts';
import { claimAndStore } from '../../../support/storing.ts';

it('gives the space of removed events back to the system', async () => {
  const file = await tempSqliteFile();
  const store = new SqliteStore(file);
  const pages = () => prepareQuery<{ page_count: number }>(file.db, 'pragma page_count').get()!.page_count;
  const empty = pages();
  const text = JSON.stringify({ text: 'x'.repeat(1000) });
  await claimAndStore(
    store,
    Array.from({ length: 500 }, () => newEvent({ json: text })),
  );
  const full = pages();
  await store.retention.keepFrom({ others: 1, types: [] });
  expect(await removeExpired(store)).toBe(500);
  expect(pages() - empty).toBeLessThan((full - empty) / 4);
});
