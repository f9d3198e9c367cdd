// In: the position of the store, and what the log holds. Out: where reading starts. Nothing else decides that.

import type { AssignedPartition, EventLog, LogBatch, StartPosition } from '../log/event-log.ts';
import { isRecordOf, type Landmark, NO_EPOCH, NO_RECORD } from '../log/landmarks.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Claim } from '../store/event-store.ts';

export interface StartDecision extends Required<StartPosition> {
  /** Records of the log before this offset are known to be the processed ones. */
  landmarks: Landmark[];
  /** How log and store differ, if they do. */
  finding?: StartFinding;
}

type StartFinding =
  /** The log has deleted unprocessed records. */
  | { kind: 'data-gap'; from: number; to: number }
  /** The log no longer holds the processed records between `to` and `from`: it was truncated, or rewritten. */
  | { kind: 'log-went-back'; from: number; to: number };

/**
 * Where to continue in a partition: at the store's position, or where the log diverges from what was processed.
 * Rereading records is always safe, skipping one is not: in doubt the earlier offset wins.
 *
 * @throws NotKnownYetError
 * @throws when the log is unreachable
 */
export async function resolveStart(
  assigned: AssignedPartition,
  { offset, landmarks }: Pick<Claim, 'offset' | 'landmarks'>,
  log: Pick<EventLog, 'read'>,
): Promise<StartDecision> {
  const { earliest } = assigned;
  if (offset === null) return { offset: earliest, leaderEpoch: NO_EPOCH, landmarks: [] };
  const known = landmarks.filter((landmark) => landmark.offset < offset);
  if (offset < earliest) {
    const finding = { kind: 'data-gap', from: offset, to: earliest } as const;
    return { offset: earliest, leaderEpoch: NO_EPOCH, landmarks: known, finding };
  }
  const held = await landmarksHeld(assigned, offset, known, log);
  if (held === known) return { ...readOn(offset, known, earliest), landmarks: known };
  const to = held[0] === undefined ? earliest : held[0].offset + 1;
  const finding = { kind: 'log-went-back', from: offset, to } as const;
  return { offset: to, leaderEpoch: held[0]?.leaderEpoch ?? NO_EPOCH, landmarks: held, finding };
}

/**
 * A freshly started broker may not know yet everything it holds. It may also hold other records there, of an open
 * transaction: until it exposes them, nothing of the partition is read.
 */
export class NotKnownYetError extends Error {
  constructor(offset: number) {
    super(`the log does not show yet whether it still holds what was processed at offset ${offset}`);
    this.name = 'NotKnownYetError';
  }
}

/** @returns `known` itself if the log is the processed one, else the landmarks it still holds */
async function landmarksHeld(
  assigned: AssignedPartition,
  offset: number,
  known: Landmark[],
  log: Pick<EventLog, 'read'>,
): Promise<Landmark[]> {
  const { earliest, end, divergesAt = end } = assigned;
  const isCutShort = offset > end && !(await assigned.hasOffset(offset));
  const isUnchanged = async () =>
    !isCutShort && assigned.divergesAt === undefined && (await isSameLog(assigned, newestRecord(known), log));
  if (await isUnchanged()) return known;
  // The log may have changed or been unavailable since it was described: check once more, so that an intact log is
  // never reported as truncated.
  if (!(await assigned.isCurrent())) throw new NotKnownYetError(offset - 1);
  if (await isUnchanged()) return known;
  const candidates = known.filter(
    (landmark) => landmark.offset >= earliest && landmark.offset < Math.min(end, divergesAt),
  );
  const held = await findHeld(assigned, candidates, log);
  return held === undefined ? [] : known.slice(known.indexOf(held));
}

/**
 * Whether the log is the one that was processed, up to the newest landmark.
 *
 * @throws NotKnownYetError
 */
async function isSameLog(
  { topic, partition, earliest, end }: AssignedPartition,
  newest: Landmark | undefined,
  log: Pick<EventLog, 'read'>,
): Promise<boolean> {
  // Records deleted by retention prove nothing.
  if (newest === undefined || newest.offset < earliest) return true;
  // `end` may be stale, and the log truncated and rewritten since: always check the record itself.
  const { offset } = newest;
  const [record] = await log.read(topic, [{ partition, offset }]);
  if (record === undefined && offset >= end) throw new NotKnownYetError(offset);
  return isRecordOf(newest, record);
}

/**
 * Offsets without records between the last record and the position are read again: a log that was truncated there and
 * rewritten has records in their place. An epoch is requested only for a record that the log still holds: it may have
 * forgotten any other, and would reject it every time.
 */
function readOn(offset: number, known: readonly Landmark[], earliest: number): Required<StartPosition> {
  // Somebody moved the position by hand.
  if (known[0]?.offset !== offset - 1) return { offset, leaderEpoch: NO_EPOCH };
  const newest = newestRecord(known);
  if (newest === undefined || newest.offset < earliest) return { offset: earliest, leaderEpoch: NO_EPOCH };
  return { offset: newest.offset + 1, leaderEpoch: newest.leaderEpoch };
}

function newestRecord(known: readonly Landmark[]): Landmark | undefined {
  return known.find(({ digest }) => digest !== NO_RECORD);
}

/** The first of these landmarks whose record is in the log. */
async function findHeld(
  { topic, partition }: AssignedPartition,
  landmarks: readonly Landmark[],
  log: Pick<EventLog, 'read'>,
): Promise<Landmark | undefined> {
  const records = await log.read(
    topic,
    landmarks.map(({ offset }) => ({ partition, offset })),
  );
  return landmarks.find((landmark, at) => isRecordOf(landmark, records[at]));
}

/**
 * A batch without records, which moves the position past a gap.
 *
 * @param restart when it aborts, the position is claimed again, and the gap is found again if it still exists
 */
export function batchPast(
  { topic, topicId, partition }: AssignedPartition,
  { to }: StartFinding,
  restart: AbortSignal,
): LogBatch {
  return {
    topic,
    topicId,
    partition,
    fetchedFrom: to,
    records: [],
    nextOffset: to,
    leaderEpoch: NO_EPOCH,
    isAssigned: () => !restart.aborted,
    commit() {},
  };
}

/** Logs once, with numbers, what was lost on either side. */
export function reportFinding(
  { topic, partition, end }: AssignedPartition,
  { kind, from, to }: StartFinding,
  { logger, metrics }: { logger: Logger; metrics: Pick<Metrics, 'dataGaps' | 'logRewinds'> },
): void {
  if (kind === 'data-gap') {
    metrics.dataGaps.inc({ partition }, to - from);
    logger.error(
      { topic, partition, from, to },
      `[Consumer] Data gap: the log has deleted ${to - from} records that were not processed yet`,
    );
    return;
  }
  metrics.logRewinds.inc({ partition }, from - to);
  logger.error(
    { topic, partition, processed: from, end, readingFrom: to },
    `[Consumer] The log went back in time: up to ${from - to} processed records are no longer in it, or others are in their place. Reading from the last one that is still there`,
  );
}
