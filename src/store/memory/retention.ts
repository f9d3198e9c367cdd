import { ALL_KEPT, type EventRetention, type KeptDays, later, type RemovableEvent } from '../event-store.ts';
import type { MemoryCounts } from './counts.ts';
import type { MemoryEvents } from './events.ts';
import type { MemoryTimeOrder } from './time-order.ts';

interface MemoryRetentionOptions {
  events: MemoryEvents;
  byTime: MemoryTimeOrder;
  counts: MemoryCounts;
  /** Rejects the claims made before. */
  fence(): void;
  wasRemoved(key: string): boolean;
  removeDeadLetters(before: Date, limit: number): number;
}

/** Removes events from memory. The store remembers the keys of all events it ever had. */
export class MemoryRetention implements EventRetention {
  readonly #options: MemoryRetentionOptions;
  #days = ALL_KEPT;

  constructor(options: MemoryRetentionOptions) {
    this.#options = options;
  }

  get days(): KeptDays {
    return this.#days;
  }

  async keptDays(): Promise<KeptDays> {
    return this.#days;
  }

  async keepFrom(wanted: KeptDays): Promise<KeptDays> {
    const days = later(this.#days, wanted);
    if (days !== this.#days) this.#options.fence();
    this.#days = days;
    return days;
  }

  async remove(removed: readonly RemovableEvent[]): Promise<number> {
    const { events, byTime, counts } = this.#options;
    const there = removed.filter(({ sequence }) => events.has(sequence));
    for (const { sequence, counted } of there) {
      counts.remove(sequence, counted);
      events.remove(sequence);
    }
    byTime.forgetRemoved();
    return there.length;
  }

  async removedKeys(keys: readonly string[]): Promise<Set<string>> {
    return new Set(keys.filter((key) => this.#options.wasRemoved(key)));
  }

  async removeDeadLetters(before: Date, limit: number): Promise<number> {
    return this.#options.removeDeadLetters(before, limit);
  }
}
