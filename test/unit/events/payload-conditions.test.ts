import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isPayloadOperator,
  PAYLOAD_OPERATORS,
  type PayloadOperator,
  payloadCheck,
  splitCondition,
} from '../../../src/events/payload-conditions.ts';
import { payloadPath } from '../../../src/events/payload-path.ts';

/** Whether the member `a` of a payload meets a condition. */
function meets(payload: string, operator: PayloadOperator, value: string, path = ['a']): boolean {
  return payloadCheck({ path, operator, value })(JSON.parse(payload), () => payload);
}

/** Which of the operators a member with this value meets. */
function met(value: string, wanted: string, operators: readonly PayloadOperator[] = COMPARISONS): string {
  return operators.filter((operator) => meets(`{"a":${value}}`, operator, wanted)).join(' ');
}

const COMPARISONS = ['gt', 'gte', 'lt', 'lte'] as const;
const [LESS, SAME, MORE] = ['lt lte', 'gte lte', 'gt gte'];

describe('splitCondition', () => {
  it.each<[string, string[], string]>([
    ['payload.a', ['a'], 'eq'],
    ['payload.cart.price[gte]', ['cart', 'price'], 'gte'],
    ['payload.a[foo]', ['a'], 'foo'],
    ['payload.a[]', ['a'], ''],
    // A member whose own name looks like that.
    ['payload.a[gt][eq]', ['a[gt]'], 'eq'],
    ['payload.a[gt][lte]', ['a[gt]'], 'lte'],
    ['payload.a[gt][eq][eq]', ['a[gt][eq]'], 'eq'],
    ['payload.a[gt].b', ['a[gt]', 'b'], 'eq'],
    ['payload.a[gt].b[gt]', ['a[gt]', 'b'], 'gt'],
    ['payload.a[[gt]', ['a['], 'gt'],
    ['payload.a[g]t]', ['a[g]t]'], 'eq'],
    ['payload.a\n[gt]', ['a\n'], 'gt'],
    // An operator has a name before it.
    ['payload.[gt]', ['[gt]'], 'eq'],
    ['payload.a.[gt]', ['a', '[gt]'], 'eq'],
    ['payload.[gt][gt]', ['[gt]'], 'gt'],
  ])('%j is a condition on %j: %s', (name, path, operator) => {
    expect(splitCondition(name)).toEqual({ path, operator });
  });

  it('reaches every member that has a path, with every operator', () => {
    const character = fc.constantFrom('a', '.', '[', ']', 'gt', '[eq]', '😀', '\n', ' ');
    const names = fc.string({ unit: character }).map((text) => `payload.${text}`);
    fc.assert(
      fc.property(names, fc.constantFrom(...PAYLOAD_OPERATORS), (name, operator) => {
        const path = payloadPath(name);
        fc.pre(path !== undefined);
        expect(splitCondition(`${name}[${operator}]`)).toEqual({ path, operator });
      }),
    );
  });

  it('knows the operators there are', () => {
    expect(['eq', 'gt', 'GT', '', 'in', 'toString'].filter(isPayloadOperator)).toEqual(['eq', 'gt']);
  });
});

describe('a comparison with a number', () => {
  it.each([
    ['1.5', '1.50', SAME],
    ['1.4999999999999999999', '1.5', LESS],
    ['9007199254740993', '9007199254740992', MORE],
    ['9007199254740993', '9007199254740993.0', SAME],
    ['1e400', '1e401', LESS],
    ['1e400', '-1e400', MORE],
    ['1e-400', '0', MORE],
    ['-1e-400', '-0', LESS],
    ['-0', '0', SAME],
    ['-3', '-2.5', LESS],
  ])('of %s with %s', (value, wanted, expected) => {
    expect(met(value, wanted)).toBe(expected);
  });

  it('agrees with whole numbers of any size', () => {
    const scaled = (digits: bigint, places: number) => digits * 10n ** BigInt(30 - places);
    const text = (digits: bigint, places: number) => `${digits}e-${places}`;
    const number = fc.tuple(fc.bigInt(-(10n ** 25n), 10n ** 25n), fc.nat(30));
    // Mostly neighbours: others are told apart by their 64-bit numbers.
    const step = fc.oneof(fc.bigInt(-1n, 1n), fc.bigInt(-(10n ** 25n), 10n ** 25n));
    fc.assert(
      fc.property(number, step, ([digits, places], by) => {
        const [value, wanted] = [scaled(digits, places), scaled(digits + by, places)];
        const expected = value < wanted ? LESS : value > wanted ? MORE : SAME;
        expect(met(text(digits, places), text(digits + by, places))).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it.each(['"2"', '"text"', 'true', 'null', '{}', '[2]', '[]'])(
    'is met by numbers only, not by %s',
    (value) => {
      expect(met(value, '1')).toBe('');
    },
  );

  it('finds no number where none was sent', () => {
    expect(meets('{"b":1}', 'lt', '2')).toBe(false);
    expect(meets('{"a":[3,4]}', 'gt', '1', ['a', 'length'])).toBe(false);
    expect(meets('{"a":[3,4]}', 'gt', '3', ['a', '1'])).toBe(true);
  });

  it('reads the text of a payload only where rounding has made two numbers one', () => {
    const check = payloadCheck({ path: ['a'], operator: 'gt', value: '9007199254740992' });
    const text = () => {
      throw new Error('read');
    };
    expect(check({ a: 9007199254740994 }, text)).toBe(true);
    expect(check({ a: 1 }, text)).toBe(false);
    expect(() => check({ a: 9007199254740992 }, text)).toThrow('read');
  });
});

describe('a comparison with a date or time', () => {
  it.each([
    ['2024-02-14T10:30:00Z', '2024-02-14T10:30:00.000Z', SAME],
    ['2024-02-14T10:30:00.5Z', '2024-02-14T10:30:00Z', MORE],
    ['2024-02-14T12:00:00+02:00', '2024-02-14T10:30:00Z', LESS],
    ['2024-02-14T12:00:00+02:00', '2024-02-14T11:00:00 01:00', SAME],
    ['2024-02-14T10:30:00', '2024-02-14T10:30:00Z', SAME],
    ['2024-02-14', '2024-02-14T00:00:00Z', SAME],
    ['2024-02-14T00:00:00.001Z', '2024-02-14', MORE],
    // Neither a date nor a time.
    ['2024-02-30', '2024-02-14', ''],
    ['tomorrow', '2024-02-14', ''],
    ['', '2024-02-14', ''],
  ])('of %j with %s', (value, wanted, expected) => {
    expect(met(JSON.stringify(value), wanted)).toBe(expected);
  });

  it('is met by texts only', () => {
    expect(met('20240214', '2024-02-14')).toBe('');
    expect(met('null', '2024-02-14')).toBe('');
  });
});

describe('a comparison with another text', () => {
  it.each([
    ['b', 'a', MORE],
    ['a', 'a', SAME],
    ['B', 'a', LESS],
    ['10', '9 apples', LESS],
    ['', '', SAME],
    ['2024-02-14T10:30:00Z', '2024-02-30', LESS],
    ['ab', 'a', MORE],
  ])('of %j with %j', (value, wanted, expected) => {
    expect(met(JSON.stringify(value), wanted)).toBe(expected);
  });

  it('is met by texts only', () => {
    for (const value of ['5', 'true', 'null', '{}', '["x"]']) expect(met(value, 'a')).toBe('');
  });
});

describe('contains', () => {
  it.each<[string, string, boolean]>([
    ['"iPhone 15"', 'Phone', true],
    ['"iPhone"', 'phone', false],
    ['"iPhone"', '', true],
    ['"50% of_all"', '% of_', true],
    ['"a\\u0000b"', '\0', true],
    ['"😀"', '😀', true],
    ['"Phone"', 'iPhone', false],
    ['15', '1', false],
    ['["iPhone"]', 'iPhone', false],
    ['null', 'null', false],
  ])('of %s and %j: %s', (value, wanted, is) => {
    expect(meets(`{"a":${value}}`, 'contains', wanted)).toBe(is);
  });
});

describe('exists', () => {
  it.each<[string, boolean]>([
    ['{"a":1}', true],
    ['{"a":null}', true],
    ['{"a":{}}', true],
    ['{"b":1}', false],
    ['{}', false],
  ])('in %s: %s', (payload, is) => {
    expect([meets(payload, 'exists', 'true'), meets(payload, 'exists', 'false')]).toEqual([is, !is]);
  });
});

describe('scalar', () => {
  it.each<[string, boolean]>([
    ['{"a":1}', true],
    ['{"a":""}', true],
    ['{"a":false}', true],
    ['{"a":null}', true],
    ['{"a":{"b":1}}', false],
    ['{"a":[1]}', false],
    ['{"b":1}', false],
  ])('in %s: %s', (payload, is) => {
    expect([meets(payload, 'scalar', 'true'), meets(payload, 'scalar', 'false')]).toEqual([is, !is]);
  });
});

describe('eq and ne', () => {
  it.each([
    ['{"a":1.50}', '1.5', 'eq'],
    ['{"a":1.50}', '1.50', 'eq'],
    ['{"a":1.50}', '1.500', 'ne'],
    ['{"a":"x"}', 'y', 'ne'],
    ['{"a":null}', 'null', 'eq'],
    ['{"a":{}}', 'x', 'ne'],
    ['{"b":1}', '1', undefined],
  ])('of %s and %s is met: %s', (payload, wanted, expected) => {
    const found = (['eq', 'ne'] as const).filter((operator) => meets(payload, operator, wanted));
    expect(found).toEqual(expected === undefined ? [] : [expected]);
  });

  it('exclude each other, and one of them is met wherever the member is', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('a', 'b'), fc.json()), fc.json(), (members, wanted) => {
        const payload = `{${Object.entries(members).map(([name, json]) => `"${name}":${json}`)}}`;
        const found = [meets(payload, 'eq', wanted), meets(payload, 'ne', wanted)];
        expect(found.filter(Boolean)).toHaveLength(meets(payload, 'exists', 'true') ? 1 : 0);
      }),
    );
  });
});
