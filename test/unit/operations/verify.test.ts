import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Catalog } from '../../../src/events/catalog.ts';
import type { EventLog } from '../../../src/log/event-log.ts';
import { readToEnd, type Verification, verify } from '../../../src/operations/verify.ts';
import { openSqliteFile } from '../../../src/sqlite/sqlite-file.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { appendTo } from '../../support/append.ts';
import { appendIn, logIn, openLog } from '../../support/embedded-log.ts';
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

/** A log that has to be read on from a new start after each batch, as behind a new connection to a broker. */
function startingOver(log: EventLog): EventLog {
  return {
    ...log,
    async *subscribe({ onAssigned, ...options }) {
      let restart = new AbortController();
      const reading = log.subscribe({
        ...options,
        async onAssigned(assigned) {
          restart = new AbortController();
          return { ...(await onAssigned(assigned)), restart: restart.signal };
        },
      });
      for await (const batches of reading) {
        yield batches;
        restart.abort();
      }
    },
  };
}

describe('reading a log to its end', () => {
  it('gives each record once, up to where the log ended at first, also when reading has to start over', async () => {
    const { log } = await openLog();
    const record = { topic: TOPIC, key: 'u', value: 'any', headers: [] };
    const append = (count: number) =>
      appendTo(
        log,
        Array.from({ length: count }, () => record),
      );
    await append(2500);
    const seen: number[] = [];
    for await (const { records } of readToEnd(startingOver(log), TOPIC)) {
      seen.push(...records.map(({ offset }) => offset));
      await append(1000);
    }
    expect(seen).toEqual(Array.from({ length: 2500 }, (_, offset) => offset));
  });
});
