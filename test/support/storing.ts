import type { EventStore, EventToStore, StoreOutcome } from '../../src/store/event-store.ts';
import { newBatch, newEvent, TOPIC } from './store-batches.ts';

/**
 * Claims a partition of a store.
 *
 * @returns stores events behind those before them; of each event only what matters to the test has to be given
 */
export async function storing(
  store: EventStore,
): Promise<(events: readonly Partial<EventToStore>[]) => Promise<StoreOutcome>> {
  const [claim] = await store.claim(TOPIC, [0]);
  let fromOffset: number | null = null;
  return (given) => {
    const from = fromOffset ?? 0;
    const events = given.map((event, at) => newEvent({ offset: from + at, json: '{}', ...event }));
    const nextOffset = from + events.length;
    const batch = newBatch(events, { epoch: claim!.epoch, fromOffset, nextOffset });
    fromOffset = nextOffset;
    return store.process([batch]);
  };
}

/** Claims a partition and stores events behind those that are there, in one batch, as they are. */
export async function claimAndStore(into: EventStore, events: EventToStore[]): Promise<void> {
  const [claim] = await into.claim(TOPIC, [0]);
  const { epoch, offset } = claim!;
  const nextOffset = (offset ?? 0) + events.length;
  await into.process([newBatch(events, { epoch, fromOffset: offset, nextOffset })]);
}
