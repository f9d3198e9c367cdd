import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Catalog } from '../../../src/events/catalog.ts';
import { type Verification, verify } from '../../../src/operations/verify.ts';
import { openSqliteFile } from '../../../src/sqlite/sqlite-file.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { appendIn, logIn } from '../../support/embedded-log.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { damage, eventJson, GROUP, processedFolder, TOPIC } from '../../support/verify-ground.ts';

async function verifyFolder(
  folder: string,
  range = { from: 0, to: Number.POSITIVE_INFINITY },
): Promise<Verification> {
  const file = openSqliteFile(join(folder, 'footfall.db'));
  try {
    return await verify({
      log: logIn(file),
      store: new SqliteStore(file),
      catalog: new Catalog(),
      topic: TOPIC,
      group: GROUP,
      ...range,
    });
  } finally {
    file.close();
  }
}

describe('verify', () => {
  it('accounts for every record of a sound store', async () => {
    const { folder } = await processedFolder();
    expect(await verifyFolder(folder)).toEqual({
      records: 5,
      stored: 4,
      deadLettered: 1,
      expired: 0,
      inFlight: 0,
      missing: [],
      accounts: [
        {
          partition: 0,
          passed: 5,
          stored: 3,
          duplicates: 1,
          deadLettered: 1,
          withoutRecord: 0,
          expired: 0,
          lost: 0,
          rewound: 0,
          unaccounted: 0,
        },
      ],
    });
  });

  it('tells what is not processed yet from what is missing', async () => {
    const { folder, ids } = await processedFolder();
    await appendIn(folder, [eventJson(randomUUID())]);
    damage(folder, `delete from events where json = '${eventJson(ids[1]!)}'; delete from dead_letters`);
    expect(await verifyFolder(folder)).toMatchObject({
      records: 6,
      stored: 3,
      deadLettered: 0,
      inFlight: 1,
      missing: [
        { partition: 0, offset: 1, eventId: ids[1] },
        { partition: 0, offset: 3, eventId: undefined },
      ],
    });
  });

  it('shows counts that do not add up', async () => {
    const { folder } = await processedFolder();
    damage(folder, 'update positions set stored = stored - 1');
    expect((await verifyFolder(folder)).accounts).toMatchObject([{ unaccounted: 1 }]);
  });

  it('looks only at the time asked for, and at nothing when there is nothing', async () => {
    const { folder } = await processedFolder();
    expect(
      await verifyFolder(folder, { from: Date.now() + 60_000, to: Number.POSITIVE_INFINITY }),
    ).toMatchObject({ records: 0 });
    expect(await verifyFolder(folder, { from: 0, to: Date.now() + 60_000 })).toMatchObject({ records: 5 });
    expect(await verifyFolder(await tempFolder())).toMatchObject({ records: 0, accounts: [] });
  });
});
