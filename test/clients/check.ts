import { deepStrictEqual } from 'node:assert';
import type { EventToStore } from './ground.ts';

/** @throws Error that shows both where they differ */
export function same(what: string, found: unknown, wanted: unknown): void {
  try {
    deepStrictEqual(found, wanted);
  } catch {
    throw new Error(`${what}: ${JSON.stringify(found)}, and not ${JSON.stringify(wanted)}`);
  }
}

/** Each event as `type of user`, in one order: what arrived twice is there twice. */
export function typesAndUsers(events: readonly EventToStore[]): string[] {
  return events.map(({ eventType, userId }) => `${eventType} of ${userId}`).sort();
}
