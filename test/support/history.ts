import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { post } from './service.ts';

/** What a client was told, in the order it was told it. */
export interface Acked {
  eventId: string;
  userId: string;
}

export interface Load {
  /** Events answered with 201 so far. */
  acked: Acked[];
  /** Answers other than 201, and requests that got none. */
  failures: number;
  /** Resolves when every user has as many events acknowledged as asked for, or after `stop`. */
  done: Promise<void>;
  stop(): void;
}

/** A client's pause after a failure: without one, a service that is down is asked thousands of times a second. */
const PAUSE_AFTER_FAILURE_MS = 20;

/**
 * Posts events of several users at once; each user sends the next event only after the answer to the one before,
 * so that the order of a user's answers is the order of their events.
 *
 * @param urls asked once for each event: a list that changes, or a service that dies, is part of the test
 */
export function postLoad(urls: () => string[], users: number, eventsPerUser: number): Load {
  const stopping = new AbortController();
  const load: Load = { acked: [], failures: 0, done: Promise.resolve(), stop: () => stopping.abort() };
  const user = async (userId: string) => {
    for (let number = 0; number < eventsPerUser && !stopping.signal.aborted; ) {
      const candidates = urls();
      const eventId = await postEvent(candidates[number % candidates.length]!, userId, number);
      if (eventId === undefined) {
        load.failures++;
        await sleep(PAUSE_AFTER_FAILURE_MS);
        continue;
      }
      load.acked.push({ eventId, userId });
      number++;
    }
  };
  load.done = Promise.all(Array.from({ length: users }, (_, number) => user(`user-${number}`))).then(
    () => {},
  );
  return load;
}

/** @returns the id of the event if it was acknowledged */
async function postEvent(url: string, userId: string, number: number): Promise<string | undefined> {
  try {
    const response = await post(url, { userId, eventType: 'PRODUCT_VIEW', payload: { number } });
    const answer = (await response.json()) as { event: { eventId: string } };
    return response.status === 201 ? answer.event.eventId : undefined;
  } catch {
    return undefined;
  }
}

/** Every acknowledged event stored, none twice, each user's events in the order they were acknowledged. */
export function expectExactlyOnce(acked: readonly Acked[], stored: readonly Acked[]): void {
  const storedIds = new Set(stored.map(({ eventId }) => eventId));
  expect(storedIds.size, 'stored more than once').toBe(stored.length);
  expect(
    acked.filter(({ eventId }) => !storedIds.has(eventId)),
    'acknowledged and lost',
  ).toEqual([]);
  const ackedIds = new Set(acked.map(({ eventId }) => eventId));
  const byUser = (events: readonly Acked[]) => {
    const orders = new Map<string, string[]>();
    for (const { eventId, userId } of events) {
      if (!ackedIds.has(eventId)) continue;
      orders.set(userId, [...(orders.get(userId) ?? []), eventId]);
    }
    return Object.fromEntries([...orders].sort());
  };
  expect(byUser(stored), 'order per user').toEqual(byUser(acked));
}
