import { randomUUID } from 'node:crypto';
import type { EventStore, EventToStore, StoreOutcome } from '../../src/store/event-store.ts';

const PARTITION = { group: 'g', topic: 't', topicId: 'id', partition: 0 };
const NOTHING_ELSE = {
  deadLetters: [],
  startOffset: 0,
  withoutRecord: 0,
  lost: 0,
  fromRewound: 0,
  rewound: 0,
  landmarks: [],
};

/**
 * Claims a partition of a store.
 *
 * @returns stores events behind those before them; of each event only what matters to the test has to be given
 */
export async function storing(
  store: EventStore,
): Promise<(events: readonly Partial<EventToStore>[]) => Promise<StoreOutcome>> {
  const [claim] = await store.claim(PARTITION, [0]);
  let next: number | null = null;
  return (given) => {
    const from = next ?? 0;
    const events = given.map((event, at) => ({
      key: randomUUID(),
      userId: 'u',
      eventType: 'LOGIN',
      offset: from + at,
      hour: 0,
      counted: [],
      json: '{}',
      ...event,
    }));
    const fromOffset = next;
    next = from + events.length;
    return store.process([
      { ...PARTITION, ...NOTHING_ELSE, epoch: claim!.epoch, fromOffset, nextOffset: next, events },
    ]);
  };
}
