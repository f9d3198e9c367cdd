// In: keys of events whose ids clients chose. Out: those that were accepted before, and those that were removed since.
import { withDeadline } from '../clock.ts';
import { ApiError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { EventStore } from '../store/event-store.ts';
import type { AcceptedEvent, RecentEvents } from './recent-events.ts';

/** How long to wait for the store's lookup of earlier events; without an answer they are appended again. */
const LOOK_UP_MS = 1000;

interface EarlierEventsOptions {
  store: Pick<EventStore, 'get' | 'retention'>;
  /** Accepted by this instance, perhaps not stored yet. */
  recent: Pick<RecentEvents, 'get'>;
  /** Whether the store may have removed events. */
  retention: { readonly mayHaveRemoved: boolean };
  topic: string;
  logger: Logger;
}

export class EarlierEvents {
  readonly #options: EarlierEventsOptions;

  constructor(options: EarlierEventsOptions) {
    this.#options = options;
  }

  /** @returns those that were accepted, or `event_removed` for one that will not be stored again */
  async find(keys: readonly string[]): Promise<Map<string, AcceptedEvent | ApiError>> {
    const found = new Map<string, AcceptedEvent | ApiError>();
    const unknown: string[] = [];
    for (const key of keys) {
      const recent = this.#options.recent.get(key);
      if (recent) found.set(key, recent);
      else unknown.push(key);
    }
    if (unknown.length === 0) return found;
    try {
      const stored = await withDeadline(this.#inStore(unknown), LOOK_UP_MS, 'the store');
      for (const [key, event] of stored) found.set(key, event);
    } catch (error) {
      // They are then appended again, which is harmless: the store keeps only the first.
      this.#options.logger.debug({ err: error }, '[Producer] Could not look up earlier events');
    }
    return found;
  }

  async #inStore(keys: readonly string[]): Promise<Map<string, AcceptedEvent | ApiError>> {
    const { store, retention, topic } = this.#options;
    const found = new Map<string, AcceptedEvent | ApiError>();
    const stored = await store.get(keys);
    for (const [key, { json, partition, offset }] of stored) {
      if (partition === null || offset === null) continue;
      found.set(key, { json, receipt: { topic, partition, offset } });
    }
    if (!retention.mayHaveRemoved) return found;
    const removed = await store.retention.removedKeys(keys.filter((key) => !stored.has(key)));
    for (const key of removed) found.set(key, new ApiError('event_removed'));
    return found;
  }
}
