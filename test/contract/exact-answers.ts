// What counts and compares stored events is asked on stores of random events, and answers as one pass over all of them does.
import fc from 'fast-check';
import { expect } from 'vitest';
import type { PayloadCondition } from '../../src/events/payload-conditions.ts';
import type { EventFilter } from '../../src/query/event-query.ts';
import type { EventStore } from '../../src/store/event-store.ts';
import { eventAt } from '../support/counted-events.ts';
import { claimAndStore } from '../support/storing.ts';
import type { StoreHarness } from './event-store.contract.ts';

/** An event in short. */
export interface Made {
  time: number;
  userId: string;
  eventType: string;
  /** JSON. */
  payload: string;
}

export const toEvent = ({ time, userId, eventType, payload }: Made) =>
  eventAt(time, userId, eventType, payload);

const LAMP_PAYLOAD = '{"productId":"lamp"}';

export const LAMPS_AND_CHAIRS = [LAMP_PAYLOAD, '{"productId":"chair"}'];
export const isLamp = ({ payload }: Made) => payload === LAMP_PAYLOAD;
export const LAMP: PayloadCondition = { path: ['productId'], operator: 'eq', value: 'lamp' };

/** Events at some times, with any of these users, types and payloads. */
export function eventsOf(
  time: fc.Arbitrary<number>,
  users: readonly string[],
  types: readonly string[],
  payloads: readonly string[],
): fc.Arbitrary<Made> {
  return fc.record({
    time,
    userId: fc.constantFrom(...users),
    eventType: fc.constantFrom(...types),
    payload: fc.constantFrom(...payloads),
  });
}

/** Filters, each in some of the queries. */
export function filters(userId: string, eventTypes: string[], condition: PayloadCondition) {
  return {
    userId: fc.constantFrom(undefined, undefined, userId),
    eventTypes: fc.constantFrom(undefined, undefined, eventTypes.slice(0, 1), eventTypes),
    payload: fc.constantFrom<PayloadCondition[]>([], [], [condition]),
  };
}

/** @param meets whether an event meets the condition on payloads */
export function matching(
  made: readonly Made[],
  { userId, eventTypes, payload }: Pick<EventFilter, 'userId' | 'eventTypes' | 'payload'>,
  meets: (one: Made) => boolean,
): Made[] {
  return made.filter(
    (one) =>
      (userId === undefined || one.userId === userId) &&
      (eventTypes === undefined || eventTypes.includes(one.eventType)) &&
      (payload.length === 0 || meets(one)),
  );
}

interface Asking<Query> {
  made: fc.Arbitrary<Made>;
  /** How many events each batch has. */
  batch: { minLength: number; maxLength: number };
  batches: { minLength: number; maxLength: number };
  query: fc.Arbitrary<Query>;
  /** How many are asked of each store. */
  queries: number;
  /** Of an opened store. */
  answering(store: EventStore): (asked: Query) => Promise<unknown>;
  /** The same in one pass over everything that is stored. */
  expectedOf(stored: readonly Made[], asked: Query): unknown;
}

/** Asks in between, too: what was read by then gets more events. */
export async function expectExactAnswers<Query>(
  open: () => Promise<StoreHarness>,
  { made, batch, batches, query, queries, answering, expectedOf }: Asking<Query>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(made, batch), batches),
      fc.array(query, { minLength: queries, maxLength: queries }),
      async (toStore, toAsk) => {
        const { store } = await open();
        const answer = answering(store);
        const stored: Made[] = [];
        const turns = Map.groupBy(toAsk.entries(), ([at]) => Math.floor((at * toStore.length) / queries));
        for (const [turn, events] of toStore.entries()) {
          await claimAndStore(store, events.map(toEvent));
          stored.push(...events);
          for (const [, asked] of turns.get(turn) ?? []) {
            expect([asked, await answer(asked)]).toEqual([asked, expectedOf(stored, asked)]);
          }
        }
      },
    ),
    // Smaller examples, each on a store of its own, would take minutes to find; the query says enough.
    { numRuns: 5, endOnFailure: true },
  );
}
