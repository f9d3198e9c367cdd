import { describe, expect, it } from 'vitest';
import { type Condition, conditionOf, narrowed, OPERATORS, said } from '../../../dashboard/conditions.ts';

const [IS, , CONTAINS] = OPERATORS as [(typeof OPERATORS)[0], (typeof OPERATORS)[0], (typeof OPERATORS)[0]];

describe('a condition', () => {
  it.each([
    ['price', IS, ['payload.price', '10'], ['price', 'is', '10']],
    ['price', CONTAINS, ['payload.price[contains]', '10'], ['price', 'contains', '10']],
    ['a[gt]', IS, ['payload.a[gt][eq]', '10'], ['a[gt]', 'is', '10']],
    ['a[gt]', CONTAINS, ['payload.a[gt][contains]', '10'], ['a[gt]', 'contains', '10']],
    ['userId', IS, ['userId', '10'], ['User', 'is', '10']],
  ])('on %s says what the API is asked', (property, operator, condition, words) => {
    expect(conditionOf(property, operator, '10')).toEqual(condition);
    expect(said(condition as unknown as Condition)).toEqual(words);
  });

  it('on a type replaces other types, and on a payload adds to others', () => {
    const types: Condition[] = [
      ['eventType', 'LOGIN'],
      ['eventType', 'LOGOUT'],
      ['payload.a', '1'],
    ];
    expect(narrowed(types, ['eventType', 'LOGIN'])).toEqual([
      ['payload.a', '1'],
      ['eventType', 'LOGIN'],
    ]);
    expect(narrowed(types, ['payload.a[ne]', '2'])).toHaveLength(4);
    expect(narrowed(types, ['payload.a', '1'])).toHaveLength(3);
  });
});
