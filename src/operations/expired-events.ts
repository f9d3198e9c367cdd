import {
  DAY_MS,
  daysOf,
  type EventStore,
  type KeptDays,
  type StoredEvent,
  type TimePlace,
  typesBefore,
} from '../store/event-store.ts';

const FIRST: TimePlace = { time: Number.MIN_SAFE_INTEGER, sequence: 0 };

/** Events of days that are not kept, of one type after the other, oldest first: at most `limit` at a time. */
export async function* expiredEvents(
  store: Pick<EventStore, 'counts' | 'readByTime'>,
  days: KeptDays,
  limit: number,
): AsyncGenerator<StoredEvent[], undefined> {
  const firstDay = daysOf(days);
  for (const eventType of await typesBefore(days, store.counts)) {
    const before = { time: firstDay(eventType) * DAY_MS, sequence: 0 };
    // Behind those that were found, whose places in an index stay for a while after they are removed.
    for (let after = FIRST; ; ) {
      const found = await store.readByTime({ eventTypes: [eventType], after, before, limit, order: 'asc' });
      if (found.length === 0) break;
      yield found;
      after = found.at(-1)!;
    }
  }
}
