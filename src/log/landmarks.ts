import { hash } from 'node:crypto';

/**
 * A processed record and what identifies it. Each position keeps some of them, fewer the further back: the log is known
 * to be the processed one up to the newest landmark it still holds.
 */
export interface Landmark {
  offset: number;
  /** Of this very record, or NO_EPOCH. */
  leaderEpoch: number;
  /** As of `recordDigest`. */
  digest: string;
}

/** Landmarks closer together than this are thinned out: rereading this many records takes only a moment. */
const LEAST_GAP = 1000;
const DIGEST_LENGTH = 16;
/** For logs without leader epochs, and records whose epoch is unknown. */
export const NO_EPOCH = -1;
/** Digest of an offset that has nothing to read: a transaction marker, or a record of a rolled-back transaction. */
export const NO_RECORD = '-';

/** As of `LogRecord`. */
interface DigestedRecord {
  offset: number;
  timestamp: number;
  key: Buffer | null;
  value: Buffer | null;
}

/** 96 bits that identify a record: from its time, key and value. */
export function recordDigest({ timestamp, key, value }: Omit<DigestedRecord, 'offset'>): string {
  const head = Buffer.from(`${timestamp} ${key?.length ?? -1} ${value?.length ?? -1} `);
  const bytes = Buffer.concat([head, key ?? Buffer.alloc(0), value ?? Buffer.alloc(0)]);
  return hash('sha256', bytes, 'base64url').slice(0, DIGEST_LENGTH);
}

/** @param record what the log holds at the landmark's offset */
export function isRecordOf(
  { digest }: Landmark,
  record: Omit<DigestedRecord, 'offset'> | undefined,
): boolean {
  return record !== undefined && recordDigest(record) === digest;
}

/**
 * @param landmarks of the position before the batch, newest first
 * @returns the landmarks of the position after the batch; the first describes what is just before that position
 */
export function landmarksBehind(
  landmarks: readonly Landmark[],
  batch: { records: readonly DigestedRecord[]; nextOffset: number; leaderEpoch: number },
): Landmark[] {
  const { records, nextOffset, leaderEpoch } = batch;
  const ofRecords = landmarks.filter(({ digest }) => digest !== NO_RECORD);
  const offset = nextOffset - 1;
  const last = records.at(-1);
  // A marker after it may have a later epoch, unknown to the log if it was truncated between the two.
  const ownEpoch = last?.offset === offset ? leaderEpoch : NO_EPOCH;
  const kept =
    last === undefined
      ? ofRecords
      : addLandmark(ofRecords, { offset: last.offset, leaderEpoch: ownEpoch, digest: recordDigest(last) });
  return kept[0]?.offset === offset ? kept : [{ offset, leaderEpoch: NO_EPOCH, digest: NO_RECORD }, ...kept];
}

/**
 * @param landmarks newest first
 * @returns them with a newer one added. There are about two for each doubling of the distance, so going back n records
 *    finds one within 2n.
 */
function addLandmark(landmarks: readonly Landmark[], newest: Landmark): Landmark[] {
  const kept = [newest];
  for (const [at, landmark] of landmarks.entries()) {
    const older = landmarks[at + 1];
    const gap = older && kept.at(-1)!.offset - older.offset;
    const isNeeded = gap === undefined || gap > Math.max(LEAST_GAP, (newest.offset - older!.offset) / 2);
    if (landmark.offset < newest.offset && isNeeded) kept.push(landmark);
  }
  return kept;
}

/** Landmarks in the form stored with a position: `OFFSET EPOCH DIGEST`, separated by commas. */
export function encodeLandmarks(landmarks: readonly Landmark[]): string {
  return landmarks.map(({ offset, leaderEpoch, digest }) => `${offset} ${leaderEpoch} ${digest}`).join();
}

export function decodeLandmarks(text: string): Landmark[] {
  if (text === '') return [];
  return text.split(',').map((landmark) => {
    const [offset, leaderEpoch, digest] = landmark.split(' ');
    return { offset: Number(offset), leaderEpoch: Number(leaderEpoch), digest: digest! };
  });
}
