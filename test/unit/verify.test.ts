import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Catalogue } from '../../src/catalogue.ts';
import { EmbeddedLog } from '../../src/log/embedded-log.ts';
import { openSqliteFile } from '../../src/sqlite-file.ts';
import { SqliteStore } from '../../src/store/sqlite-store.ts';
import { type Verification, verify } from '../../src/verify.ts';
import { appendTo } from '../support/append.ts';
import { serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

const TOPIC = 'user-activity-events';
const GROUP = 'user-activity-consumer-group';

function eventJson(eventId: string): string {
  return `{"eventId":"${eventId}","userId":"u","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00.000Z","payload":{}}`;
}

async function append(folder: string, values: string[]): Promise<void> {
  const file = openSqliteFile(join(folder, 'footfall.db'));
  const log = new EmbeddedLog(file, { partitions: 1, timeoutMs: 5000 });
  await appendTo(
    log,
    values.map((value) => ({ topic: TOPIC, key: 'u', value, headers: [] })),
  );
  await log.close();
  file.close();
}

/** Lets the service process all of a log: three events, one of them twice, and a piece of junk. */
async function processedFolder(): Promise<{ folder: string; ids: string[] }> {
  const folder = await tempFolder();
  const ids = [randomUUID(), randomUUID(), randomUUID()];
  await append(folder, [...ids.map(eventJson), 'junk', eventJson(ids[0]!)]);
  const { url, stop } = await serviceHere({ DATA_DIR: folder });
  const ledger = async () => (await fetch(`${url}/metrics`)).text();
  await expect.poll(ledger).toContain('ledger_records{partition="0",outcome="passed"} 5');
  for (const [outcome, count] of Object.entries({
    stored: 3,
    duplicates: 1,
    deadLettered: 1,
    unaccounted: 0,
  })) {
    expect(await ledger()).toContain(`ledger_records{partition="0",outcome="${outcome}"} ${count}`);
  }
  await stop();
  return { folder, ids };
}

async function verifyFolder(
  folder: string,
  range = { from: 0, to: Number.POSITIVE_INFINITY },
): Promise<Verification> {
  const file = openSqliteFile(join(folder, 'footfall.db'));
  const log = new EmbeddedLog(file, { partitions: 1, timeoutMs: 5000 });
  try {
    return await verify({
      ...{ log, store: new SqliteStore(file), catalogue: new Catalogue(undefined, false) },
      ...{ topic: TOPIC, group: GROUP, ...range },
    });
  } finally {
    file.close();
  }
}

function damage(folder: string, sql: string): void {
  const file = openSqliteFile(join(folder, 'footfall.db'));
  file.db.exec(sql);
  file.close();
}

describe('verify', () => {
  it('accounts for every record of a sound store', async () => {
    const { folder } = await processedFolder();
    expect(await verifyFolder(folder)).toEqual({
      ...{ records: 5, stored: 4, deadLettered: 1, inFlight: 0, missing: [] },
      accounts: [
        {
          ...{ partition: 0, passed: 5, stored: 3, duplicates: 1, deadLettered: 1 },
          ...{ withoutRecord: 0, lost: 0, rewound: 0, unaccounted: 0 },
        },
      ],
    });
  });

  it('tells what is not processed yet from what is missing', async () => {
    const { folder, ids } = await processedFolder();
    await append(folder, [eventJson(randomUUID())]);
    damage(folder, `delete from events where json = '${eventJson(ids[1]!)}'; delete from dead_letters`);
    expect(await verifyFolder(folder)).toMatchObject({
      ...{ records: 6, stored: 3, deadLettered: 0, inFlight: 1 },
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

  it('is a command that ends with 0 when nothing is missing, 1 when something is, 2 when it cannot say', async () => {
    const { folder, ids } = await processedFolder();
    const run = (env: Record<string, string>, ...args: string[]) =>
      promisify(execFile)(process.execPath, [resolve('scripts/verify.ts'), ...args], {
        cwd: folder,
        env: { PATH: process.env.PATH, DATA_DIR: folder, ...env },
      }).then(
        ({ stdout }) => ({ code: 0, text: stdout }),
        (error) => ({ code: error.code as number, text: `${error.stdout}${error.stderr}` }),
      );
    expect(await run({})).toMatchObject({ code: 0, text: expect.stringContaining('Nothing is missing.') });
    expect(await run({}, '--from', 'yesterday')).toMatchObject({
      code: 2,
      text: expect.stringContaining('is not a time'),
    });
    expect(await run({ DATABASE_URL: 'memory:' })).toMatchObject({ code: 2 });
    damage(folder, `delete from events where json = '${eventJson(ids[1]!)}'`);
    expect(await run({})).toMatchObject({
      code: 1,
      text: expect.stringContaining(`MISSING partition 0 offset 1 ${ids[1]}`),
    });
  });
});
