import { describe, expect, it } from 'vitest';
import type { LogBatch, LogRecord } from '../../../src/log/event-log.ts';
import { groupForTransactions } from '../../../src/processing/shared-transactions.ts';

/** Batches of so many records, as the numbers of records of each transaction. */
function grouped(...sizes: number[]): number[][] {
  const batches = sizes.map((size) => ({ records: Array<LogRecord>(size) }) as LogBatch);
  return groupForTransactions(batches).map((group) => group.map(({ records }) => records.length));
}

describe('what was read at once', () => {
  it.each<[number[], number[][]]>([
    [[], []],
    [[0], [[0]]],
    [[5, 0, 7], [[5, 0, 7]]],
    [[600, 400], [[600, 400]]],
    [
      [600, 401],
      [[600], [401]],
    ],
    [
      [600, 401, 599, 1],
      [[600], [401, 599], [1]],
    ],
    [
      [5000, 1, 5000],
      [[5000], [1], [5000]],
    ],
  ])('of %j records is stored in as few transactions of a thousand as can be', (sizes, groups) => {
    expect(grouped(...sizes)).toEqual(groups);
  });
});
