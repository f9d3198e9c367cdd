import { expiredEvents } from '../../src/operations/expired-events.ts';
import type { EventStore, EventToStore, StoredEvent } from '../../src/store/event-store.ts';

/** The events of days that a store does not keep. @param limit how many are looked for at a time */
export async function expiredIn(store: EventStore, limit = 1000): Promise<StoredEvent[]> {
  const found = await Array.fromAsync(expiredEvents(store, await store.retention.keptDays(), limit));
  return found.flat();
}

/** Removes them, as the service does. @param counted of each event. @returns how many */
export async function removeExpired(
  store: EventStore,
  { counted = [], limit = 1000 }: { counted?: EventToStore['counted']; limit?: number } = {},
): Promise<number> {
  let removed = 0;
  for await (const found of expiredEvents(store, await store.retention.keptDays(), limit)) {
    removed += await store.retention.remove(found.map(({ sequence }) => ({ sequence, counted })));
  }
  return removed;
}
