import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

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
  close(): void;
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
    db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 5000;');
    return {
      db,
      close() {
        if (db.isOpen) db.close();
        if (lock.isOpen) lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw error;
  }
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
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) throw new FileInUseError(path);
    throw error;
  }
}

const SQLITE_BUSY = 5;

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

/**
 * Migrates a schema: `steps` run in order, each once. The version reached is kept in a table by `name`, because the
 * embedded log and the store share one file.
 */
export function migrateSqlite(db: DatabaseSync, name: string, steps: readonly string[]): void {
  inTransaction(db, () => {
    db.exec(
      'create table if not exists schema_versions (name text primary key, version integer not null) strict',
    );
    const row = prepareQuery<{ version: number }>(
      db,
      'select version from schema_versions where name = ?',
    ).get(name);
    const version = row?.version ?? 0;
    if (version > steps.length) {
      throw new Error(
        `The ${name} schema is of a newer Footfall (version ${version}, this one knows ${steps.length}).`,
      );
    }
    for (const step of steps.slice(version)) db.exec(step);
    db.prepare(
      'insert into schema_versions values (?, ?) on conflict (name) do update set version = excluded.version',
    ).run(name, steps.length);
  });
}
