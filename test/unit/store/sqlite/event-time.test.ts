import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { defineEventTime } from '../../../../src/store/sqlite/time-order.ts';

const db = new DatabaseSync(':memory:');
defineEventTime(db);

it.each<[string | null, number | null]>([
  ['{"timestamp":"1970-01-01T00:00:01.500Z","payload":{}}', 1500],
  ['{"timestamp":"2024-02-14T10:30:00+01:00"}', Date.parse('2024-02-14T09:30:00Z')],
  ['{"timestamp":"9999-12-31T23:59:59.999Z"}', Date.parse('9999-12-31T23:59:59.999Z')],
  ['{"timestamp":"yesterday"}', null],
  ['{"timestamp":7}', null],
  ['{}', null],
  [null, null],
])('the time of the event %s is %s in SQL', (json, time) => {
  expect(db.prepare('select event_time(?) as time').get(json)).toEqual({ time });
});
