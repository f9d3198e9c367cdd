import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  statSync,
} from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';

export type { DatabaseSync, StatementSync } from 'node:sqlite';

type SqliteValue = string | number | Uint8Array | null;
type Parameters = SqliteValue[] | [named: Record<string, SqliteValue>];

/** A statement whose rows have a known shape. */
export interface Query<Row> {
  get(...parameters: Parameters): Row | undefined;
  all(...parameters: Parameters): Row[];
  iterate(...parameters: Parameters): IterableIterator<Row>;
}

/** Prepares a query whose columns must match `Row` in name and type; SQLite does not check that. */
export function prepareQuery<Row>(db: DatabaseSync, sql: string): Query<Row> {
  return db.prepare(sql) as unknown as Query<Row>;
}

/** As `prepareQuery`, with an array per row: objects take twice as long. */
export function prepareArrayQuery<Row extends unknown[]>(db: DatabaseSync, sql: string): Query<Row> {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  return statement as unknown as Query<Row>;
}

/** Raised when another process is using the file. */
class FileInUseError extends Error {
  constructor(path: string) {
    super(
      `${path} is in use by another process. Stop that one, or give this one a DATA_DIR (or sqlite: path) of its own.`,
    );
    this.name = 'FileInUseError';
  }
}

/** A SQLite database that only this process writes to. */
export interface SqliteFile {
  db: DatabaseSync;
  /** Opened for a look: tables are neither made nor changed. */
  isReadOnly: boolean;
  close(): void;
}

/** Bytes of the database and of what is not yet written into it. */
export async function fileBytes(path: string): Promise<number> {
  const sizes = await Promise.all(
    [path, `${path}-wal`].map(async (one) => (await stat(one).catch(() => undefined))?.size ?? 0),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Opens a database file and locks it for this process. A second process gets an error; other programs of the same user
 * (a shell, a backup) may read it, but no other user may. A commit is on disk when it returns (WAL, synchronous=FULL).
 * A missing folder is created; an existing one keeps its mode.
 *
 * @throws FileInUseError
 */
export function openSqliteFile(path: string): SqliteFile {
  mkdirSync(dirname(path), { recursive: true, mode: PRIVATE_FOLDER });
  for (const own of [path, `${path}.lock`]) makePrivate(own);
  for (const left of [`${path}-wal`, `${path}-shm`]) if (existsSync(left)) makePrivate(left);
  const lock = holdLock(path);
  try {
    const db = new DatabaseSync(path);
    // Before the first page is written: later it takes effect only with VACUUM.
    db.exec('pragma auto_vacuum = incremental');
    db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 5000;');
    return opened(db, lock, false);
  } catch (error) {
    lock.close();
    throw error;
  }
}

/**
 * Opens a database file to read it, and changes nothing: neither the file, nor its mode, nor what is beside it. Nobody
 * else can open it meanwhile.
 *
 * @throws FileInUseError, and Error if there is no such file
 */
export function openForReading(path: string): SqliteFile {
  if (!existsSync(path)) throw new Error(`there is no ${path}`);
  // One that was never opened by this program has none, and gets none.
  const lock = existsSync(`${path}.lock`) ? holdLock(path) : undefined;
  try {
    return opened(new DatabaseSync(readingUrl(path), { readOnly: true }), lock, true);
  } catch (error) {
    lock?.close();
    throw error;
  }
}

function opened(db: DatabaseSync, lock: DatabaseSync | undefined, isReadOnly: boolean): SqliteFile {
  return {
    db,
    isReadOnly,
    close() {
      if (db.isOpen) db.close();
      if (lock?.isOpen) lock.close();
    },
  };
}

/** The address of a file that is not written to meanwhile. */
function readingUrl(path: string): URL {
  const url = pathToFileURL(path);
  // Otherwise, SQLite creates the companion files of WAL even to read. What a killed process has left in them counts.
  if (!existsSync(`${path}-wal`)) url.searchParams.set('immutable', '1');
  return url;
}

/**
 * Whether `openSqliteFile` would work, without creating or changing anything.
 *
 * @param known the version of each schema that this program knows
 * @returns whether the file exists. @throws FileInUseError, and the errors of the system
 */
export function checkFile(path: string, known: Readonly<Record<string, number>> = {}): boolean {
  checkFolder(dirname(path));
  if (!existsSync(path)) return false;
  const lock = `${path}.lock`;
  for (const own of [path, lock].filter(existsSync)) accessSync(own, constants.R_OK | constants.W_OK);
  if (existsSync(lock)) checkLock(path);
  const versions = readVersions(path);
  for (const [name, newest] of Object.entries(known)) refuseNewer(name, versions[name] ?? 0, newest);
  return true;
}

/** Whether files can be created in a folder, or the folder itself in the nearest one that exists. */
function checkFolder(folder: string): void {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  if (!statSync(existing).isDirectory()) throw new Error(`${existing} is not a folder`);
  accessSync(existing, constants.W_OK | constants.X_OK);
}

/** @throws FileInUseError */
function checkLock(path: string): void {
  const lock = new DatabaseSync(`${path}.lock`, { readOnly: true });
  try {
    lock.exec('select 1 from sqlite_schema');
  } catch (error) {
    throw isBusy(error) ? new FileInUseError(path) : error;
  } finally {
    lock.close();
  }
}

/** @returns the version of each schema in the file; none if there is no file. @throws if it is not a SQLite database */
export function readVersions(path: string): Record<string, number> {
  if (!existsSync(path)) return {};
  const url = pathToFileURL(path);
  // As for `readingUrl`; and another process may be writing.
  url.searchParams.set('immutable', '1');
  const db = new DatabaseSync(url, { readOnly: true });
  try {
    return versionsIn(db);
  } finally {
    db.close();
  }
}

function versionsIn(db: DatabaseSync): Record<string, number> {
  const table = "select name from sqlite_schema where name = 'schema_versions'";
  if (prepareQuery<{ name: string }>(db, table).get() === undefined) return {};
  const rows = prepareQuery<{ name: string; version: number }>(db, 'select * from schema_versions').all();
  return Object.fromEntries(rows.map(({ name, version }) => [name, version]));
}

function refuseNewer(name: string, version: number, known: number): void {
  if (version <= known) return;
  throw new Error(`The ${name} schema is of a newer Footfall (version ${version}, this one knows ${known}).`);
}

const PRIVATE_FOLDER = 0o700;
const PRIVATE_FILE = 0o600;

/**
 * Creates the file if needed; SQLite gives its companion files the same mode. Also fixes files created by an earlier
 * version.
 */
function makePrivate(path: string): void {
  // Created with this mode rather than changed a moment later.
  closeSync(openSync(path, 'a', PRIVATE_FILE));
  try {
    chmodSync(path, PRIVATE_FILE);
  } catch (error) {
    // It belongs to another user, who let this one write to it: its owner decides.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}

/** An open transaction on a file beside the database: the system releases it however this process ends. */
function holdLock(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`);
  try {
    lock.exec('begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    throw isBusy(error) ? new FileInUseError(path) : error;
  }
}

const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return (error as { errcode?: number }).errcode === SQLITE_BUSY;
}

/** Runs `work` in one transaction: everything is on disk when this returns, nothing after a throw. */
export function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('begin immediate');
  try {
    const result = work();
    db.exec('commit');
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec('rollback');
    throw error;
  }
}

/**
 * @throws when writing is currently impossible, as on a full disk. Increments a counter in a spare field of the file.
 */
export function checkWritable(db: DatabaseSync): void {
  inTransaction(db, () => {
    // The value must change: SQLite does not write an unchanged one.
    const row = prepareQuery<{ user_version: number }>(db, 'pragma user_version').get()!;
    db.exec(`pragma user_version = ${(row.user_version + 1) % 2 ** 31}`);
  });
}

/** As `migrateSqlite`. @throws Error if the file was opened for a look, and its tables are missing or of an earlier version */
export function prepareTables({ db, isReadOnly }: SqliteFile, name: string, steps: readonly string[]): void {
  if (!isReadOnly) {
    migrateSqlite(db, name, steps);
    return;
  }
  const version = versionsIn(db)[name] ?? 0;
  refuseNewer(name, version, steps.length);
  if (version === steps.length) return;
  const state = version === 0 ? 'are missing' : `are of an earlier version (${version} of ${steps.length})`;
  throw new Error(
    `The tables of the ${name} ${state}, and are left so by a look: start the service once, which brings them up to date`,
  );
}

/**
 * Migrates a schema: `steps` run in order, each once. The version reached is kept in a table by `name`, because the
 * embedded log and the store share one file.
 */
function migrateSqlite(db: DatabaseSync, name: string, steps: readonly string[]): void {
  inTransaction(db, () => {
    db.exec(
      'create table if not exists schema_versions (name text primary key, version integer not null) strict',
    );
    const row = prepareQuery<{ version: number }>(
      db,
      'select version from schema_versions where name = ?',
    ).get(name);
    const version = row?.version ?? 0;
    refuseNewer(name, version, steps.length);
    for (const step of steps.slice(version)) db.exec(step);
    db.prepare(
      'insert into schema_versions values (?, ?) on conflict (name) do update set version = excluded.version',
    ).run(name, steps.length);
  });
}
