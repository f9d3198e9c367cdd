// In: where processing should continue, further back. Out: the positions of the store set there. Nothing is stored twice.
import type { EventLog } from '../log/event-log.ts';
import { accounts } from '../processing/ledger.ts';
import {
  type Claim,
  type EventStore,
  FencedError,
  type PartitionPosition,
  type StoreBatch,
  type TopicRef,
} from '../store/event-store.ts';

/** A running consumer may claim a partition between our claim and our move; it does so once for each. */
const ATTEMPTS = 5;

interface PlanOptions {
  log: Pick<EventLog, 'starts'>;
  store: Pick<EventStore, 'positions'>;
  topic: string;
  group: string;
  /** Default: all. */
  partitions?: readonly number[];
  to: 'earliest' | number;
}

interface ResetOptions extends PlanOptions {
  store: Pick<EventStore, 'positions' | 'claim' | 'process'>;
  /** Records that were passed over, as `verify` finds them; asked only if the ledger has any. */
  findMissing(): Promise<readonly { partition: number; offset: number }[]>;
}

/** Of one partition. */
export interface PositionReset {
  partition: number;
  /** The position before; null if nothing was processed yet. */
  from: number | null;
  to: number;
}

/** A position that is moved, and the bounds of what its partition holds. */
interface Move {
  partition: number;
  to: number;
  earliest: number;
}

/**
 * Sets positions back, so that records are processed again: events that are stored already count as duplicates. A running
 * consumer continues from there by itself. In the ledger, what is passed again counts as rewound.
 *
 * @throws Error for a position that is not further back, or that the log has deleted; all are moved, or none
 */
export async function resetPositions(options: ResetOptions): Promise<PositionReset[]> {
  const { topicId, resets, moves } = await plan(options);
  const { group, topic } = options;
  if (moves.length > 0) await moveBack(options, { group, topic, topicId }, moves);
  return resets;
}

/** What `resetPositions` would do. Changes nothing. @throws as it would */
export async function planReset(options: PlanOptions): Promise<PositionReset[]> {
  return (await plan(options)).resets;
}

interface Plan {
  topicId: string;
  resets: PositionReset[];
  moves: Move[];
}

async function plan({ log, store, topic, group, ...options }: PlanOptions): Promise<Plan> {
  const { topicId, starts } = await log.starts(topic);
  const known = await store.positions(group, topic);
  const resets: PositionReset[] = [];
  const moves: Move[] = [];
  for (const partition of options.partitions ?? starts.keys()) {
    const first = starts.get(partition);
    if (first === undefined) throw new Error(`${topic} has no partition ${partition}`);
    const own = known.find((one) => one.topicId === topicId && one.partition === partition);
    const from = own?.offset ?? null;
    // What was already deleted when reading began is not in the ledger.
    const least = Math.max(first, own?.startOffset ?? first);
    const to = options.to === 'earliest' ? least : options.to;
    checkTarget({ partition, from, to }, least);
    resets.push({ partition, from, to });
    if (from !== null && to < from) moves.push({ partition, to, earliest: first });
  }
  return { topicId, resets, moves };
}

function checkTarget({ partition, from, to }: PositionReset, least: number): void {
  if (to < least) {
    throw new Error(`partition ${partition}: the log begins at ${least}, so processing cannot at ${to}`);
  }
  if (to > (from ?? least)) {
    throw new Error(
      `partition ${partition}: its position is ${from ?? least}; moving it forward to ${to} would pass over records that nobody has processed`,
    );
  }
}

async function moveBack(
  { store, ...options }: ResetOptions,
  ref: TopicRef,
  moves: readonly Move[],
): Promise<void> {
  let found: ReturnType<ResetOptions['findMissing']> | undefined;
  // Reads the whole topic: once, whoever claims meanwhile.
  const findMissing = () => {
    found ??= options.findMissing();
    return found;
  };
  const numbers = moves.map(({ partition }) => partition);
  for (let attempt = 1; ; attempt++) {
    const claims = await store.claim(ref, numbers);
    // If we die here: the partitions are claimed, and their consumers claim them again.
    const positions = await store.positions(ref.group, ref.topic);
    const batches: StoreBatch[] = [];
    for (const [at, move] of moves.entries()) {
      const { offset } = claims[at]!;
      // The store went back, or was emptied, since the position was read: it must not go forward.
      if (offset === null || offset <= move.to) continue;
      const own = positions.find((one) => one.topicId === ref.topicId && one.partition === move.partition)!;
      const holes = await countHoles(own, move, findMissing);
      batches.push(emptyBatch(ref, claims[at]!, move, holes));
    }
    if (batches.length === 0) return;
    try {
      await store.process(batches);
      return;
    } catch (error) {
      if (!(error instanceof FencedError) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** How many offsets of those that will be passed again were passed over before: these are not passed a second time. */
async function countHoles(
  own: PartitionPosition,
  { partition, to, earliest }: Move,
  findMissing: ResetOptions['findMissing'],
): Promise<number> {
  const { unaccounted } = accounts([own])[0]!;
  if (unaccounted === 0) return 0;
  const missing = (await findMissing()).filter((one) => one.partition === partition);
  const areAllAhead = missing.length > 0 && missing.every(({ offset }) => offset >= to);
  // Offsets without records are passed over, too, but cannot be told apart if others were, or may have been, before.
  if (areAllAhead && earliest <= (own.startOffset ?? 0)) return unaccounted;
  return missing.filter(({ offset }) => offset >= to).length;
}

/** Holds no records, and continues where others were processed before. */
function emptyBatch(ref: TopicRef, claim: Claim, { partition, to }: Move, holes: number): StoreBatch {
  return {
    ...ref,
    partition,
    epoch: claim.epoch,
    fromOffset: claim.offset,
    fromRewound: claim.rewound,
    nextOffset: to,
    events: [],
    deadLetters: [],
    startOffset: to,
    withoutRecord: 0,
    expired: 0,
    lost: 0,
    rewound: Math.max(0, claim.offset! - to - holes),
    landmarks: claim.landmarks.filter(({ offset }) => offset < to),
  };
}
