import { expect, it } from 'vitest';
import { checkRange } from '../../../../src/api/query/event-filters.ts';
import { DAY_MS } from '../../../../src/store/event-store.ts';

it.each([
  ['of a moment', 0, 1, undefined, []],
  ['of none', 1, 1, undefined, ['from must be before to']],
  ['backwards', 2, 1, undefined, ['from must be before to']],
  ['of as many days as there may be', DAY_MS, 3661 * DAY_MS, undefined, []],
  [
    'longer by a moment',
    DAY_MS,
    3661 * DAY_MS + 1,
    undefined,
    ['there may be at most 3660 days between from and to'],
  ],
  ['of as many weeks as there may be', 0, 1, { length: 53, most: 53, unit: 'weeks' }, []],
  [
    'of a week more',
    0,
    1,
    { length: 54, most: 53, unit: 'weeks' },
    ['there may be at most 53 weeks between from and to'],
  ],
] as const)('a range %s is taken, or said to be wrong', (_what, from, to, limit, errors) => {
  const found: string[] = [];
  checkRange(found, from, to, limit);
  expect(found).toEqual(errors);
});
