import {
  type Claim,
  type DeadLetter,
  type DeadLetterQuery,
  type EventCounts,
  type EventRecord,
  type EventRetention,
  type EventStore,
  FencedError,
  type PartitionPosition,
  type ReadQuery,
  type StoreBatch,
  type StoredEvent,
  type StoreOutcome,
  type TimedEvent,
  type TimeReadQuery,
  type TopicRef,
  type Watermarks,
} from '../../src/store/event-store.ts';
import type { SimulatedProcess } from './process.ts';
import type { StoreWorld } from './store-world.ts';

/** The store as one process sees it. */
export class SimulatedStore implements EventStore {
  /** As of a store that lasts. */
  readonly storeId = '';
  readonly #process: SimulatedProcess;
  readonly #shared: StoreWorld;

  constructor(process: SimulatedProcess, shared: StoreWorld) {
    this.#process = process;
    this.#shared = shared;
  }

  get counts(): EventCounts {
    return this.#shared.store.counts;
  }

  get retention(): EventRetention {
    const call = <T>(name: string, work: () => T | Promise<T>) => this.#process.call('store', name, work);
    const { retention } = this.#shared.store;
    return {
      keptDays: () => call('store.keptDays', () => retention.keptDays()),
      keepFrom: (days) => call('store.keepFrom', () => this.#shared.keepFrom(days)),
      removedKeys: (keys) => call('store.removedKeys', () => retention.removedKeys(keys)),
      remove: (events) => call('store.remove', () => this.#shared.remove(events)),
      removeDeadLetters: (before, limit) =>
        call('store.removeDeadLetters', () => retention.removeDeadLetters(before, limit)),
    };
  }

  claim(topic: TopicRef, partitions: readonly number[]): Promise<Claim[]> {
    return this.#process.call('store', 'store.claim', () => {
      const { world } = this.#process;
      if (world.hasTransaction(this.#process)) world.saw('claim inside a transaction');
      return this.#shared.claim(topic, partitions);
    });
  }

  process(batches: readonly StoreBatch[]): Promise<StoreOutcome> {
    return this.#process.call('store', 'store.process', async () => {
      try {
        return await this.#shared.process(batches);
      } catch (error) {
        if (error instanceof FencedError) this.#noteFenced(batches);
        throw error;
      }
    });
  }

  get(keys: readonly string[]): Promise<Map<string, EventRecord>> {
    return this.#process.call('store', 'store.get', () => this.#shared.store.get(keys));
  }

  watermarks(): Promise<Watermarks> {
    return this.#process.call('store', 'store.watermarks', () => this.#shared.store.watermarks());
  }

  read(selection: ReadQuery): Promise<StoredEvent[]> {
    return this.#process.call('store', 'store.read', () => this.#shared.store.read(selection));
  }

  readByTime(selection: TimeReadQuery): Promise<TimedEvent[]> {
    return this.#process.call('store', 'store.readByTime', () => this.#shared.store.readByTime(selection));
  }

  positions(group: string, topic: string): Promise<PartitionPosition[]> {
    return this.#process.call('store', 'store.positions', () => this.#shared.store.positions(group, topic));
  }

  deadLetters(group: string, query: DeadLetterQuery): Promise<DeadLetter[]> {
    return this.#process.call('store', 'store.deadLetters', () =>
      this.#shared.store.deadLetters(group, query),
    );
  }

  countWaiting(group: string): Promise<Map<string, number>> {
    return this.#process.call('store', 'store.countWaiting', () => this.#shared.store.countWaiting(group));
  }

  markRedriven(group: string, ids: readonly number[], at: Date): Promise<void> {
    return this.#process.call('store', 'store.markRedriven', () => this.#shared.markRedriven(group, ids, at));
  }

  async ping(): Promise<void> {
    await this.#process.call('store', 'store.ping', () => {});
  }

  async close(): Promise<void> {}

  #noteFenced(batches: readonly StoreBatch[]): void {
    const { world } = this.#process;
    if (batches.length > 1) world.saw('shared transaction refused');
    const claims = this.#shared.positions();
    const isOutdated = batches.some(({ topicId, partition, epoch }) =>
      claims.some((one) => one.topicId === topicId && one.partition === partition && one.epoch > epoch),
    );
    if (isOutdated) world.saw('fenced zombie');
  }
}
