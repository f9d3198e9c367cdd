// In: keys of accepted events. Out: when the store has them.
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventStore } from '../store/event-store.ts';

const POLL_MS = 10;

/** Waits for accepted events to be stored, by any instance. All waiters share one query to the store. */
export class StoredEvents {
  readonly #store: Pick<EventStore, 'get'>;
  readonly #waiting = new Map<string, Set<() => void>>();
  #polling = false;

  constructor(store: Pick<EventStore, 'get'>) {
    this.#store = store;
  }

  /** @returns true once all are stored, false if they are not within `waitMs` */
  async wait(keys: readonly string[], waitMs: number): Promise<boolean> {
    const ended = new AbortController();
    const arrivals = keys.map((key) => this.#arrival(key, ended.signal));
    const timeIsUp = sleep(waitMs, false, { signal: ended.signal }).catch(() => false);
    try {
      return await Promise.race([Promise.all(arrivals).then(() => true), timeIsUp]);
    } finally {
      ended.abort();
    }
  }

  /** Receives the keys this instance has stored, so that their waiters need not wait for the next query. */
  tell(keys: readonly string[]): void {
    for (const key of keys) for (const resolve of this.#waiting.get(key) ?? []) resolve();
  }

  #arrival(key: string, ended: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(key) ?? new Set();
      waiters.add(resolve);
      this.#waiting.set(key, waiters);
      ended.addEventListener('abort', () => {
        waiters.delete(resolve);
        if (waiters.size === 0) this.#waiting.delete(key);
      });
      if (!this.#polling) this.#poll();
    });
  }

  async #poll(): Promise<void> {
    this.#polling = true;
    while (this.#waiting.size > 0) {
      // An unreachable store has not stored them either: the waiters are answered at their timeout.
      const found = await this.#store.get([...this.#waiting.keys()]).catch(() => new Map<string, unknown>());
      for (const key of found.keys()) for (const resolve of this.#waiting.get(key) ?? []) resolve();
      await sleep(POLL_MS);
    }
    this.#polling = false;
  }
}
