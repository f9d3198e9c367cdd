import { randomUUIDv7 } from 'node:crypto';
import { type EventStore, type EventToStore, HOUR_MS } from '../src/store/event-store.ts';

const TOPIC_REF = {
  group: 'user-activity-consumer-group',
  topic: 'user-activity-events',
  topicId: 'bench',
};
const TYPES = ['LOGIN', 'PRODUCT_VIEW', 'PRODUCT_VIEW', 'PRODUCT_VIEW', 'LOGOUT'];
const USERS = 100_000;

/** Events as the processor gives them to a store: some users and products far more often than others. */
export function makeEvents(count: number, from: number, at: Date): EventToStore[] {
  const hour = Math.floor(at.getTime() / HOUR_MS);
  const timestamp = at.toISOString();
  return Array.from({ length: count }, (_, index) => {
    const key = randomUUIDv7();
    const userId = `user-${Math.floor(USERS * Math.random() ** 2)}`;
    const eventType = TYPES[index % TYPES.length]!;
    const productId = `prod-${Math.floor(1000 * Math.random() ** 3)}`;
    return {
      key,
      userId,
      eventType,
      offset: from + index,
      time: at.getTime(),
      hour,
      counted: [['payload.productId', productId]],
      json: `{"eventId":"${key}","userId":"${userId}","eventType":"${eventType}","timestamp":"${timestamp}","payload":{"productId":"${productId}","category":"electronics","price":19.99}}`,
    };
  });
}

/** Puts events into a store as the consumer does, in batches of a partition. */
export async function fill(store: EventStore, count: number, batch = 1000): Promise<void> {
  const [claim] = await store.claim(TOPIC_REF, [0]);
  let from = claim!.offset;
  const now = Date.now();
  for (let done = 0; done < count; done += batch) {
    const next = (from ?? 0) + batch;
    const at = new Date(now - ((count - done) / count) * 30 * 24 * HOUR_MS);
    await store.process([
      {
        ...TOPIC_REF,
        partition: 0,
        epoch: claim!.epoch,
        fromOffset: from,
        nextOffset: next,
        events: makeEvents(batch, from ?? 0, at),
        deadLetters: [],
        startOffset: 0,
        withoutRecord: 0,
        expired: 0,
        lost: 0,
        fromRewound: 0,
        rewound: 0,
        landmarks: [],
      },
    ]);
    from = next;
  }
}
