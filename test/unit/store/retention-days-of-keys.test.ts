import { expect, it } from 'vitest';
import { eventKey } from '../../../src/events/event.ts';
import { keeps } from '../../../src/store/event-store.ts';

const isKept = keeps({ others: 10, types: [] });
const event = { eventType: 'T', hour: 20 * 24 };

it('reads no time out of a key that was derived from an id', () => {
  const ids = Array.from({ length: 20_000 }, (_, at) => `order-${at}`);
  expect(ids.filter((eventId) => eventKey(eventId)[14] === '7').length).toBeGreaterThan(0);
  expect(ids.every((eventId) => isKept({ ...event, eventId, key: eventKey(eventId) }))).toBe(true);
});

it('reads the time out of an id that is the key, in upper case, too', () => {
  const key = '00000000-0001-7000-8000-00000000000a';
  expect(isKept({ ...event, eventId: key.toUpperCase(), key })).toBe(false);
  expect(isKept({ ...event, eventId: 'other', key })).toBe(true);
});
