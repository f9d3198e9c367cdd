import { type DatabaseSync, prepareQuery } from '../../sqlite/sqlite-file.ts';

/** The first offset of a partition that is there; 0 where none is. */
export function firstOffset(db: DatabaseSync, topic: number, partition: number): number {
  const find = prepareQuery<{ first: number }>(
    db,
    'select coalesce(min(offset), 0) as first from log_records where topic = ? and partition = ?',
  );
  return find.get(topic, partition)!.first;
}

interface OldRecords {
  topic: number;
  partition: number;
  /** Removes offsets before this one, */
  below: number;
  /** that were appended before this time: milliseconds since 1970, */
  before: number;
  /** and at most so many. */
  limit: number;
}

/** Removes the oldest records, up to the first that is not old. @returns how many */
export function trimRecords(
  db: DatabaseSync,
  { topic, partition, below, before, limit }: OldRecords,
): number {
  const old = prepareQuery<{ offset: number; timestamp: number }>(
    db,
    `select offset, timestamp from log_records where topic = ? and partition = ? and offset < ?
     order by offset limit ?`,
  ).all(topic, partition, Math.min(below, Number.MAX_SAFE_INTEGER), limit);
  const firstKept = old.findIndex(({ timestamp }) => timestamp >= before);
  const removed = firstKept === -1 ? old : old.slice(0, firstKept);
  const last = removed.at(-1);
  if (last === undefined) return 0;
  db.prepare('delete from log_records where topic = ? and partition = ? and offset <= ?').run(
    topic,
    partition,
    last.offset,
  );
  db.exec('pragma incremental_vacuum');
  return removed.length;
}
