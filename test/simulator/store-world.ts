import type {
  Claim,
  KeptDays,
  RemovableEvent,
  StoreBatch,
  StoreOutcome,
  TopicRef,
} from '../../src/store/event-store.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';

/** What has changed the store, in order: carried out once more, it gives the same store. */
type Change =
  | { is: 'claim'; ref: TopicRef; partitions: readonly number[] }
  | { is: 'commit'; batches: readonly StoreBatch[]; byHand?: true }
  | { is: 'redriven'; group: string; ids: readonly number[]; at: Date }
  | { is: 'kept'; days: KeptDays }
  | { is: 'removed'; events: readonly RemovableEvent[] };

interface StoredPosition extends TopicRef {
  partition: number;
  epoch: number;
  offset: number | null;
  rewound: number;
  landmarks: StoreBatch['landmarks'];
}

/** What somebody moved a position past, by hand. */
export interface PassedOver {
  topicId: string;
  partition: number;
  /** Offsets from this on, */
  from: number;
  /** up to before this. */
  to: number;
}

/** The store that all processes share: the real one in memory, which can be put back to what it was. */
export class StoreWorld {
  #store = new MemoryStore();
  #changes: Change[] = [];
  #positions = new Map<string, StoredPosition>();
  /** How often it went back in time. */
  #rewinds = 0;
  /** Told what was stored of batches that were refused. */
  onRemains: (what: string) => void = () => {};
  /** Told of each commit once it is made. */
  onCommit: (batches: readonly StoreBatch[], outcome: StoreOutcome) => void = () => {};

  get store(): MemoryStore {
    return this.#store;
  }

  get rewinds(): number {
    return this.#rewinds;
  }

  get commits(): number {
    return this.#changes.filter(({ is }) => is === 'commit').length;
  }

  positions(): StoredPosition[] {
    return [...this.#positions.values()];
  }

  async claim(ref: TopicRef, partitions: readonly number[]): Promise<Claim[]> {
    const claims = await this.#store.claim(ref, partitions);
    this.#changes.push({ is: 'claim', ref, partitions });
    this.#noteClaim(ref, partitions);
    return claims;
  }

  async process(batches: readonly StoreBatch[]): Promise<StoreOutcome> {
    const outcome = await this.#store.process(batches).catch(async (error: Error) => {
      await this.#lookForRemains(batches[0]!);
      throw error;
    });
    this.#changes.push({ is: 'commit', batches });
    this.#noteCommit(batches);
    this.onCommit(batches, outcome);
    return outcome;
  }

  async markRedriven(group: string, ids: readonly number[], at: Date): Promise<void> {
    await this.#store.markRedriven(group, ids, at);
    this.#changes.push({ is: 'redriven', group, ids, at });
  }

  async keepFrom(days: KeptDays): Promise<KeptDays> {
    const before = await this.#store.retention.keptDays();
    const kept = await this.#store.retention.keepFrom(days);
    if (kept === before) return kept;
    this.#changes.push({ is: 'kept', days });
    this.#noteFence();
    return kept;
  }

  async remove(events: readonly RemovableEvent[]): Promise<number> {
    this.#changes.push({ is: 'removed', events });
    return this.#store.retention.remove(events);
  }

  /** Puts the store back to what it was `commits` commits ago, as a failover does that loses the last transactions. */
  goBack(commits: number): void {
    let left = commits;
    let kept = this.#changes.length;
    while (left > 0 && kept > 0) if (this.#changes[--kept]!.is === 'commit') left--;
    const changes = this.#changes.slice(0, kept);
    this.#rewinds++;
    this.#store = new MemoryStore();
    this.#changes = [];
    this.#positions = new Map();
    for (const change of changes) this.#repeat(change);
  }

  /**
   * How many commits ago a position had the offset it has now, and the log other records before it; undefined where
   * there was no such time.
   */
  get sameOffsetAgo(): number | undefined {
    const before = new Map<string, { offset: number; rewound: number }>();
    let ago = 0;
    let found: number | undefined;
    const commits = this.#changes.flatMap((change) => (change.is === 'commit' ? [change.batches] : []));
    for (const batches of commits) {
      ago++;
      for (const batch of batches) {
        const key = keyOf(batch);
        const rewound = (before.get(key)?.rewound ?? 0) + batch.rewound;
        before.set(key, { offset: batch.nextOffset, rewound });
        const now = this.#positions.get(key)!;
        if (now.offset === batch.nextOffset && now.rewound !== rewound) found = ago;
      }
    }
    return found === undefined ? undefined : commits.length - found;
  }

  /** What was moved past by hand, and is not undone. */
  get passedOver(): PassedOver[] {
    return this.#changes.flatMap((change) => {
      if (change.is !== 'commit' || !change.byHand) return [];
      return change.batches.flatMap(({ topicId, partition, fromOffset, nextOffset: to }) =>
        to > fromOffset! ? [{ topicId, partition, from: fromOffset!, to }] : [],
      );
    });
  }

  empty(): void {
    this.goBack(this.#changes.length);
  }

  /** Moves a position, as somebody does by hand: nobody claims it for that. @returns whether that changes anything */
  move({ offset, ...position }: StoredPosition, to: number): boolean {
    if (offset === null || to === offset) return false;
    const { landmarks: before, rewound: fromRewound, ...where } = position;
    const landmarks = before.filter((landmark) => landmark.offset < to);
    const moved: StoreBatch = {
      ...where,
      fromOffset: offset,
      fromRewound,
      nextOffset: to,
      landmarks,
      rewound: Math.max(0, offset - to),
      events: [],
      deadLetters: [],
      startOffset: 0,
      withoutRecord: 0,
      expired: 0,
      lost: 0,
    };
    this.#repeat({ is: 'commit', batches: [moved], byHand: true });
    this.#rewinds++;
    return true;
  }

  /** Batches that are refused leave nothing behind. */
  async #lookForRemains({ group, topic }: TopicRef): Promise<void> {
    for (const { topicId, partition, offset } of await this.#store.positions(group, topic)) {
      const known = this.#positions.get(keyOf({ group, topicId, partition }))?.offset ?? null;
      if (offset !== known) this.onRemains(`partition ${partition} is at ${offset} instead of ${known}`);
    }
  }

  /** The store does at once what it is told, before it says so: nobody waits here. */
  #repeat(change: Change): void {
    this.#changes.push(change);
    if (change.is === 'claim') {
      void this.#store.claim(change.ref, change.partitions);
      this.#noteClaim(change.ref, change.partitions);
    } else if (change.is === 'commit') {
      this.#store.process(change.batches).catch((error: Error) => this.onRemains(error.message));
      this.#noteCommit(change.batches);
    } else if (change.is === 'kept') {
      void this.#store.retention.keepFrom(change.days);
      this.#noteFence();
    } else if (change.is === 'removed') void this.#store.retention.remove(change.events);
    else void this.#store.markRedriven(change.group, change.ids, change.at);
  }

  #noteClaim(ref: TopicRef, partitions: readonly number[]): void {
    for (const partition of partitions) {
      const key = keyOf({ ...ref, partition });
      const known = this.#positions.get(key) ?? {
        ...ref,
        partition,
        epoch: 0,
        offset: null,
        rewound: 0,
        landmarks: [],
      };
      this.#positions.set(key, { ...known, epoch: known.epoch + 1 });
    }
  }

  #noteFence(): void {
    for (const [key, position] of this.#positions) {
      this.#positions.set(key, { ...position, epoch: position.epoch + 1 });
    }
  }

  #noteCommit(batches: readonly StoreBatch[]): void {
    for (const batch of batches) {
      const key = keyOf(batch);
      const before = this.#positions.get(key)!;
      this.#positions.set(key, {
        ...before,
        offset: batch.nextOffset,
        rewound: before.rewound + batch.rewound,
        landmarks: batch.landmarks,
      });
    }
  }
}

function keyOf({
  group,
  topicId,
  partition,
}: Pick<StoredPosition, 'group' | 'topicId' | 'partition'>): string {
  return `${group} ${topicId} ${partition}`;
}
