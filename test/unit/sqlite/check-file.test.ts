import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkFile, openSqliteFile } from '../../../src/sqlite/sqlite-file.ts';
import { tempFolder } from '../../support/temp-folder.ts';

/** Everything about the files of a folder that a check could change. */
async function stateOf(folder: string) {
  const names = (await readdir(folder)).sort();
  return Promise.all(
    names.map(async (name) => {
      const { mode, size, mtimeMs, ctimeMs } = await stat(join(folder, name));
      return { name, mode, size, mtimeMs, ctimeMs };
    }),
  );
}

describe('the check of a SQLite file', () => {
  it('leaves a file as it is, and creates none beside it', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'footfall.db');
    const file = openSqliteFile(path);
    file.db.exec('create table things (name text)');
    file.close();
    await chmod(path, 0o644);
    await rm(`${path}.lock`);
    const before = await stateOf(folder);
    expect(checkFile(path)).toBe(true);
    expect(await stateOf(folder)).toEqual(before);
    expect(before.map(({ name }) => name)).toEqual(['footfall.db']);
  });

  it('rejects a file that is no database, and leaves it as it is', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'a file?.db');
    await writeFile(path, 'garbage, and more of it', { mode: 0o644 });
    const before = await stateOf(folder);
    expect(() => checkFile(path)).toThrow('file is not a database');
    expect(await stateOf(folder)).toEqual(before);
  });

  it('finds out that another process has the file, until that one ends', async () => {
    const path = join(await tempFolder(), 'footfall.db');
    const file = openSqliteFile(path);
    file.db.exec('create table things (name text)');
    expect(() => checkFile(path)).toThrow(`${path} is in use by another process`);
    file.close();
    expect(checkFile(path)).toBe(true);
  });

  it('accepts a file that is yet to be created, and creates no folder for it', async () => {
    const folder = await tempFolder();
    expect(checkFile(join(folder, 'a', 'b', 'footfall.db'))).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });

  it.each(['afile', 'afile/y'])('rejects the folder %s where afile is a file', async (name) => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'afile'), '', { mode: 0o777 });
    const path = join(folder, name, 'footfall.db');
    expect(() => checkFile(path)).toThrow('afile is not a folder');
    expect(() => openSqliteFile(path)).toThrow();
  });

  it('rejects a folder in place of the file', async () => {
    const path = join(await tempFolder(), 'footfall.db');
    await mkdir(path);
    expect(() => checkFile(path)).toThrow();
    expect(() => openSqliteFile(path)).toThrow();
  });
});
