import { randomUUID } from 'node:crypto';
import { type EventToStore, HOUR_MS, type StoreBatch } from '../../src/store/event-store.ts';

export const TOPIC = { group: 'group', topic: 'topic', topicId: 'topic-id-1' };

/** An event of which only what matters to the test has to be given; no two have the same text. */
export function newEvent(given: Partial<EventToStore> = {}): EventToStore {
  const { key = randomUUID(), userId = 'u', hour = 0, ...more } = given;
  const json = JSON.stringify({ key, userId });
  const time = hour * HOUR_MS;
  return { key, userId, eventType: 'LOGIN', offset: 0, time, hour, counted: [], json, ...more };
}

/** A batch of a partition from its start, unless said otherwise. */
export function newBatch(events: EventToStore[], more: Partial<StoreBatch> = {}): StoreBatch {
  return {
    ...TOPIC,
    partition: 0,
    epoch: 1,
    fromOffset: null,
    nextOffset: events.length,
    events,
    deadLetters: [],
    startOffset: 0,
    withoutRecord: 0,
    expired: 0,
    lost: 0,
    fromRewound: 0,
    rewound: 0,
    landmarks: [],
    ...more,
  };
}
