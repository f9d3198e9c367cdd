import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { resetPositions } from '../../../src/operations/reset-positions.ts';
import { openSqliteFile } from '../../../src/sqlite/sqlite-file.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { logIn } from '../../support/embedded-log.ts';
import { GROUP, processedFolder, TOPIC } from '../../support/verify-ground.ts';

it.each([2, null])(
  'moves no position forward, if the store went back to %s since it was looked at',
  async (before) => {
    const { folder } = await processedFolder();
    const file = openSqliteFile(join(folder, 'footfall.db'));
    const store = new SqliteStore(file);
    const claim = store.claim.bind(store);
    vi.spyOn(store, 'claim').mockImplementation((...given) => {
      file.db.exec(`update positions set next_offset = ${before}`);
      return claim(...given);
    });
    await resetPositions({
      log: logIn(file),
      store,
      topic: TOPIC,
      group: GROUP,
      to: 4,
      isExecuted: true,
      findMissing: async () => [],
    });
    expect((await store.positions(GROUP, TOPIC))[0]!.offset).toBe(before);
    file.close();
  },
);
