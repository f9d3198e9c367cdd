import { randomUUID } from 'node:crypto';
import { COUNT_MOST, type CountLimits } from '../../src/query/count-budget.ts';
import { type EventToStore, HOUR_MS } from '../../src/store/event-store.ts';
import { newEvent } from './store-batches.ts';

/** An event at a time. @param payload as JSON, kept as it is */
export function eventAt(time: number, userId: string, eventType: string, payload: string): EventToStore {
  const key = randomUUID();
  const timestamp = new Date(time).toISOString();
  const json = `{"eventId":"${key}","userId":"${userId}","eventType":"${eventType}","timestamp":"${timestamp}","payload":${payload}}`;
  return newEvent({ key, userId, eventType, time, hour: Math.floor(time / HOUR_MS), json });
}

/** Counting whatever there is. */
export const UNLIMITED: CountLimits = { most: COUNT_MOST, reserve: () => {}, isWanted: () => true };
