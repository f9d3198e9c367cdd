import { describe, expect, it } from 'vitest';
import { DEFAULT_LEVELS, nestingErrors } from '../../../src/json/nesting.ts';

/** The deepest that an event's payload may be with this limit, by what is said of it. */
function isTaken(payload: string, maxLevels = 5): boolean {
  return nestingErrors({ payload }, maxLevels).length === 0;
}

describe('nestingErrors', () => {
  it.each([
    ['[[[]]]', true],
    ['[[[[]]]]', false],
    ['{"a":{"b":{}}}', true],
    ['{"a":{"b":[{}]}}', false],
    // Next to each other is not in each other.
    ['[[[],[]],[[],{}],{"a":[],"b":{}}]', true],
    ['[[],[],[],[[[]]]]', false],
    // Text has no levels, however it ends.
    ['["[[[[","{\\"[[[[","\\\\",[[]]]', true],
    ['["\\\\",[[[]]]]', false],
    ['["\\\\\\"[[[["]', true],
    ['["",[[[]]]]', false],
    ['["a","b",[[[]]]]', false],
    ['"[[[["', true],
    ['5', true],
  ])('counts the list and the event around: %s within 5 is %s', (payload, is) => {
    expect(isTaken(payload)).toBe(is);
  });

  it('names each member that is too deep, and the limit', () => {
    const deep = '[[[]]]';
    expect(nestingErrors({ payload: deep, attributes: '[[]]', other: undefined, third: deep }, 4)).toEqual([
      'payload must be nested less deep: at most 4 levels of objects and arrays, with the event and the list that holds it',
      'third must be nested less deep: at most 4 levels of objects and arrays, with the event and the list that holds it',
    ]);
  });

  it('does not read on once it is too deep, nor beyond a text that does not end', () => {
    expect(isTaken('['.repeat(10_000_000), DEFAULT_LEVELS)).toBe(false);
    expect(isTaken('"[[[[[[', DEFAULT_LEVELS)).toBe(true);
    expect(isTaken(`"${'['.repeat(100)}`, DEFAULT_LEVELS)).toBe(true);
  });
});
