import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkFile, openForReading, openSqliteFile, prepareTables } from '../../../src/sqlite/sqlite-file.ts';
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

describe('a SQLite file that is opened to be read', () => {
  const steps = ['create table things (name text)', 'create table others (name text)'];

  /** A file with the tables of an earlier version, and the folder it is alone in. */
  async function fileOf(version: number) {
    const folder = await tempFolder();
    const path = join(folder, 'footfall.db');
    const file = openSqliteFile(path);
    prepareTables(file, 'things', steps.slice(0, version));
    file.close();
    return { folder, path };
  }

  it.each([true, false])('stays as it is, and what is beside it (a lock: %s)', async (hasLock) => {
    const { folder, path } = await fileOf(2);
    await chmod(path, 0o644);
    if (!hasLock) await rm(`${path}.lock`);
    const before = await stateOf(folder);
    const file = openForReading(path);
    prepareTables(file, 'things', steps);
    expect(file.db.prepare('select * from things').all()).toEqual([]);
    expect(() => file.db.exec('delete from things')).toThrow('readonly');
    file.close();
    expect(await stateOf(folder)).toEqual(before);
  });

  it('belongs to its reader meanwhile, and to nobody afterwards', async () => {
    const { path } = await fileOf(2);
    const file = openForReading(path);
    expect(() => openSqliteFile(path)).toThrow('is in use by another process');
    expect(() => openForReading(path)).toThrow('is in use by another process');
    file.close();
    openSqliteFile(path).close();
  });

  it.each([
    [0, 'The tables of the things are missing, and are left so by a look: start the service once'],
    [1, 'The tables of the things are of an earlier version (1 of 2), and are left so by a look'],
    [3, 'The things schema is of a newer Footfall (version 3, this one knows 2)'],
  ])('is refused with the tables of version %s', async (version, said) => {
    const { path } = await fileOf(0);
    const file = openSqliteFile(path);
    if (version > 0) prepareTables(file, 'things', [...steps, 'select 1'].slice(0, version));
    file.close();
    const opened = openForReading(path);
    expect(() => prepareTables(opened, 'things', steps)).toThrow(said);
    opened.close();
  });

  it('has to be there, and to be a database', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'footfall.db');
    expect(() => openForReading(path)).toThrow(`there is no ${path}`);
    await writeFile(path, 'garbage, and more of it');
    const opened = openForReading(path);
    expect(() => prepareTables(opened, 'things', steps)).toThrow('file is not a database');
    opened.close();
    expect(await readdir(folder)).toEqual(['footfall.db']);
  });
});
