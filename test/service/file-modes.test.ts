import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { post, serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
const modesIn = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((file) => [file, modeOf(join(folder, file))]));
const PRIVATE = {
  'footfall.db': '600',
  'footfall.db-shm': '600',
  'footfall.db-wal': '600',
  'footfall.db.lock': '600',
};

describe('the data folder', () => {
  it('and its files are for this user alone', async () => {
    const DATA_DIR = join(await tempFolder(), 'new', 'data');
    const { url } = await serviceHere({ DATA_DIR });
    expect((await post(url, { userId: 'u', eventType: 'LOGIN' })).status).toBe(201);
    expect(modeOf(DATA_DIR)).toBe('700');
    expect(modesIn(DATA_DIR)).toMatchObject(PRIVATE);
  });

  it('keeps its mode where it was there before, and its files do not', async () => {
    const DATA_DIR = await tempFolder();
    const first = await serviceHere({ DATA_DIR });
    await first.stop();
    chmodSync(DATA_DIR, 0o755);
    for (const file of readdirSync(DATA_DIR)) chmodSync(join(DATA_DIR, file), 0o644);
    await serviceHere({ DATA_DIR });
    expect(modeOf(DATA_DIR)).toBe('755');
    expect(modesIn(DATA_DIR)).toMatchObject(PRIVATE);
  });
});
