// In: where the store stands, and what the log holds. Out: where reading starts. Nothing else decides that.

import type { AssignedPartition, EventLog, LogBatch, StartPosition } from '../log/event-log.ts';
import { isRecordOf, type Landmark, NO_EPOCH, NO_RECORD } from '../log/landmarks.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Claim } from '../store/event-store.ts';

export interface StartDecision extends Required<StartPosition> {
  /** Records of the log before this are the ones that were processed. */
  landmarks: Landmark[];
  /** What the log and the store differ in, if they do. */
  finding?: StartFinding;
}

export type StartFinding =
  /** The log has deleted records that were not processed. */
  | { kind: 'data-gap'; from: number; to: number }
  /** From `to` on the log no longer holds what was processed, up to `from`: it was set back, or written again. */
  | { kind: 'log-went-back'; from: number; to: number };

/**
 * Where to read on in a partition: at the position of the store, or where the log and what was processed of it part.
 * Reading some records once more is always safe, passing over one is not: in doubt the earlier offset is taken.
 *
 * @throws when the log cannot be asked
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
 * A broker that has just started may not know yet of what it holds. It may also hold other records there, of a
 * transaction that is open: until it shows them, nothing of the partition is read.
 */
class NotKnownYetError extends Error {
  constructor(partition: number, offset: number) {
    super(
      `partition ${partition}: the log does not show yet whether it still holds what was processed at offset ${offset}`,
    );
    this.name = 'NotKnownYetError';
  }
}

/** @returns `known` itself where the log is the one that was processed, else those of them that it still holds */
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
  // It was described before it was read, and may have changed or been away in between: looked at once more, so that
  // nothing is said of a log that did not go back.
  if (!(await assigned.isCurrent())) throw new NotKnownYetError(assigned.partition, offset - 1);
  if (await isUnchanged()) return known;
  const candidates = known.filter(
    (landmark) => landmark.offset >= earliest && landmark.offset < Math.min(end, divergesAt),
  );
  const held = await findHeld(assigned, candidates, log);
  return held === undefined ? [] : known.slice(known.indexOf(held));
}

/**
 * Whether the log is the one that was processed up to the newest landmark.
 *
 * @throws NotKnownYetError
 */
async function isSameLog(
  { topic, partition, earliest, end }: AssignedPartition,
  newest: Landmark | undefined,
  log: Pick<EventLog, 'read'>,
): Promise<boolean> {
  // What retention has deleted says nothing.
  if (newest === undefined || newest.offset < earliest) return true;
  // `end` may be old by now, and the log cut and written again since: the record itself is looked at in any case.
  const { offset } = newest;
  const [record] = await log.read(topic, [{ partition, offset }]);
  if (record === undefined && offset >= end) throw new NotKnownYetError(partition, offset);
  return isRecordOf(newest, record);
}

/**
 * What held no record between the last one and the position is read once more: a log that was cut just there and written
 * again has records in its place. An epoch is asked for only of a record that the log still holds: it may have forgotten
 * any other, and would refuse it for ever.
 */
function readOn(offset: number, known: readonly Landmark[], earliest: number): Required<StartPosition> {
  // Somebody has moved the position.
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
 * A batch without records that moves the position past a gap.
 *
 * @param restart when it aborts, the position is claimed again, and the gap found again if it is still there
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

/** Says once, with numbers, what was lost on either side. */
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
