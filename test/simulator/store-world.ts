import type { Claim, StoreBatch, StoreOutcome, TopicRef } from '../../src/store/event-store.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';

/** What has changed the store, in order: carried out once more, it gives the same store. */
type Change =
  | { is: 'claim'; ref: TopicRef; partitions: readonly number[] }
  | { is: 'commit'; batches: readonly StoreBatch[] }
  | { is: 'redriven'; group: string; ids: readonly number[]; at: Date };

export interface StoredPosition extends TopicRef {
  partition: number;
  epoch: number;
  offset: number | null;
  rewound: number;
  landmarks: StoreBatch['landmarks'];
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

  empty(): void {
    this.goBack(this.#changes.length);
  }

  /** Moves a position back, as somebody does by hand: nobody claims it for that. @returns whether there was one */
  moveBack({ offset, ...position }: StoredPosition, to: number): boolean {
    if (offset === null || to >= offset) return false;
    const { landmarks: before, rewound: fromRewound, ...where } = position;
    const landmarks = before.filter((landmark) => landmark.offset < to);
    const moved: StoreBatch = {
      ...where,
      fromOffset: offset,
      fromRewound,
      nextOffset: to,
      landmarks,
      rewound: offset - to,
      events: [],
      deadLetters: [],
      startOffset: 0,
      withoutRecord: 0,
      lost: 0,
    };
    this.#repeat({ is: 'commit', batches: [moved] });
    this.#rewinds++;
    return true;
  }

  /** Batches that are refused leave nothing behind. */
  async #lookForRemains({ group, topic }: TopicRef): Promise<void> {
    for (const { topicId, partition, offset } of await this.#store.positions(group, topic)) {
      const known = this.#positions.get(`${group} ${topicId} ${partition}`)?.offset ?? null;
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
    } else void this.#store.markRedriven(change.group, change.ids, change.at);
  }

  #noteClaim(ref: TopicRef, partitions: readonly number[]): void {
    for (const partition of partitions) {
      const key = `${ref.group} ${ref.topicId} ${partition}`;
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

  #noteCommit(batches: readonly StoreBatch[]): void {
    for (const { group, topicId, partition, nextOffset, rewound, landmarks } of batches) {
      const key = `${group} ${topicId} ${partition}`;
      const before = this.#positions.get(key)!;
      this.#positions.set(key, {
        ...before,
        offset: nextOffset,
        rewound: before.rewound + rewound,
        landmarks,
      });
    }
  }
}
