// A store of one's own: the memory store, made durable by a file that every change is appended to. It survives the
// process; the changes that a power failure takes, positions included, are read from the log again.
import { type FileHandle, open, readFile } from 'node:fs/promises';
import {
  type Claim,
  type DeadLetterQuery,
  type EventRetention,
  type EventStore,
  type KeptDays,
  MemoryStore,
  type ReadQuery,
  type RemovableEvent,
  type StoreBatch,
  type StoreOutcome,
  type TimeReadQuery,
  type TopicRef,
} from 'footfall';

/** One line of the journal: a call that changed something. */
type Change =
  | { call: 'claim'; topic: TopicRef; partitions: readonly number[] }
  | { call: 'process'; batches: readonly StoreBatch[] }
  | { call: 'markRedriven'; group: string; ids: readonly number[]; at: Date }
  | { call: 'keepFrom'; days: KeptDays }
  | { call: 'remove'; events: readonly RemovableEvent[] }
  | { call: 'removeDeadLetters'; before: Date; limit: number };

export class JournalStore implements EventStore {
  /** Empty: sequence numbers last as long as the file. */
  readonly storeId = '';
  readonly #memory: MemoryStore;
  readonly #file: FileHandle;
  #last: Promise<unknown> = Promise.resolve();
  #failure: Error | undefined;

  private constructor(memory: MemoryStore, file: FileHandle) {
    this.#memory = memory;
    this.#file = file;
  }

  /** Opens a journal, which is made if need be, and repeats what is in it. One process at a time. */
  static async open(path: string): Promise<JournalStore> {
    const file = await open(path, 'a+');
    const memory = new MemoryStore();
    const lines = (await readFile(path, 'utf8')).split('\n');
    // What comes behind the last line break was being written when the process died, and nobody was told of it.
    const unfinished = lines.pop()!;
    for (const line of lines) await apply(memory, JSON.parse(line, revive) as Change);
    if (unfinished !== '') await file.truncate((await file.stat()).size - Buffer.byteLength(unfinished));
    return new JournalStore(memory, file);
  }

  claim(topic: TopicRef, partitions: readonly number[]): Promise<Claim[]> {
    return this.#change({ call: 'claim', topic, partitions }) as Promise<Claim[]>;
  }

  process(batches: readonly StoreBatch[]): Promise<StoreOutcome> {
    return this.#change({ call: 'process', batches }) as Promise<StoreOutcome>;
  }

  markRedriven(group: string, ids: readonly number[], at: Date): Promise<void> {
    return this.#change({ call: 'markRedriven', group, ids, at }) as Promise<void>;
  }

  get retention(): EventRetention {
    const { retention } = this.#memory;
    const change = (made: Change) => this.#change(made);
    return {
      keptDays: () => retention.keptDays(),
      removedKeys: (keys) => retention.removedKeys(keys),
      keepFrom: (days) => change({ call: 'keepFrom', days }) as Promise<KeptDays>,
      remove: (events) => change({ call: 'remove', events }) as Promise<number>,
      removeDeadLetters: (before, limit) =>
        change({ call: 'removeDeadLetters', before, limit }) as Promise<number>,
    };
  }

  get counts() {
    return this.#memory.counts;
  }

  get(keys: readonly string[]) {
    return this.#memory.get(keys);
  }

  watermarks() {
    return this.#memory.watermarks();
  }

  read(query: ReadQuery) {
    return this.#memory.read(query);
  }

  readByTime(query: TimeReadQuery) {
    return this.#memory.readByTime(query);
  }

  positions(group: string, topic: string) {
    return this.#memory.positions(group, topic);
  }

  deadLetters(group: string, query: DeadLetterQuery) {
    return this.#memory.deadLetters(group, query);
  }

  countWaiting(group: string) {
    return this.#memory.countWaiting(group);
  }

  async ping(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await this.#file.datasync();
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#file.close().catch(() => {});
  }

  /**
   * One change at a time. A call that the store refuses (`FencedError`) changes nothing and is not written; one that
   * cannot be written ends the store, because its memory is then ahead of its file.
   */
  #change(change: Change): Promise<unknown> {
    const result = this.#last
      .catch(() => {})
      .then(async () => {
        if (this.#failure !== undefined) throw this.#failure;
        const done = await apply(this.#memory, change);
        // If we die here: the caller was not told, and asks again after the restart.
        await this.#file.appendFile(`${JSON.stringify(change)}\n`).catch((error: Error) => {
          this.#failure = error;
          throw error;
        });
        return done;
      });
    this.#last = result;
    return result;
  }
}

async function apply(store: MemoryStore, change: Change): Promise<unknown> {
  if (change.call === 'claim') return store.claim(change.topic, change.partitions);
  if (change.call === 'process') return store.process(change.batches);
  if (change.call === 'keepFrom') return store.retention.keepFrom(change.days);
  if (change.call === 'remove') return store.retention.remove(change.events);
  if (change.call === 'removeDeadLetters')
    return store.retention.removeDeadLetters(change.before, change.limit);
  return store.markRedriven(change.group, change.ids, change.at);
}

const DATES = ['at', 'before', 'deadLetteredAt'];

/** JSON has no dates. */
function revive(name: string, value: unknown): unknown {
  return DATES.includes(name) ? new Date(value as string) : value;
}
