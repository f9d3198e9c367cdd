import { describe, expect, it } from 'vitest';
import {
  parseCursor,
  parseTimeCursor,
  toCursor,
  toTimeCursor,
} from '../../../../src/api/query/event-filters.ts';

describe('a cursor', () => {
  it.each(['', 'm0123abcd-'])('of the store "%s" is read as it was written', (storeId) => {
    expect(parseCursor(toCursor(storeId, 42))).toEqual({ storeId, sequence: 42 });
    for (const order of ['time', '-time'] as const) {
      for (const place of [
        { time: 1_700_000_000_000, sequence: 42 },
        { time: -8.64e15, sequence: 0 },
      ]) {
        expect(parseTimeCursor(toTimeCursor(storeId, order, place), order)).toEqual({ storeId, ...place });
      }
    }
  });

  it.each(['', 'x', '-1', '1.5', '1 ', ' 1', 'm0123abcd-', 'm0123abc-1', 'n0123abcd-1', '1234567890123456'])(
    'is not "%s"',
    (text) => {
      expect(parseCursor(text)).toBeUndefined();
    },
  );

  it.each([
    '',
    '5',
    'time.5',
    '-time.5.1',
    'atime.5.1',
    'time.5.1 ',
    'time.x.1',
    'time.5.x',
    'time.8640000000000001.1',
    'time.-8640000000000001.1',
    'time.5.1234567890123456',
    'm0123abc-time.5.1',
  ])('in the order of time is not "%s"', (text) => {
    expect(parseTimeCursor(text, 'time')).toBeUndefined();
  });
});
