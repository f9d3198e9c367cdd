import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareDecimals, isNumberText } from '../../../src/json/decimals.ts';

/** A whole number times a power of ten. */
type Exact = [digits: bigint, exponent: number];

const MOST = 60;
const exact: fc.Arbitrary<Exact> = fc.tuple(
  fc.oneof(fc.bigInt({ min: -20n, max: 20n }), fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n })),
  fc.integer({ min: -MOST, max: MOST }),
);

/** One of its spellings in JSON. */
function spelled([digits, exponent]: Exact, { point, zeros, mark }: Spelling): string {
  const sign = digits < 0n ? '-' : '';
  const text = `${digits < 0n ? -digits : digits}${'0'.repeat(zeros)}`;
  const whole = text.slice(0, Math.max(1, text.length - point));
  const fraction = text.slice(whole.length);
  const power = exponent - zeros + fraction.length;
  const number = fraction === '' ? whole : `${whole}.${fraction}`;
  return power === 0 ? `${sign}${number}` : `${sign}${number}${mark}${power}`;
}

interface Spelling {
  point: number;
  zeros: number;
  mark: string;
}

const spelling: fc.Arbitrary<Spelling> = fc.record({
  point: fc.nat(50),
  zeros: fc.nat(5),
  mark: fc.constantFrom('e', 'E'),
});

/** As whole numbers of the same tiny unit. */
function compareExactly([a, x]: Exact, [b, y]: Exact): number {
  const [one, other] = [a * 10n ** BigInt(x + MOST), b * 10n ** BigInt(y + MOST)];
  return one < other ? -1 : one > other ? 1 : 0;
}

describe('compareDecimals', () => {
  it('agrees with whole numbers of any size, however they are spelled', () => {
    fc.assert(
      fc.property(exact, exact, spelling, spelling, (a, b, one, other) => {
        expect(Math.sign(compareDecimals(spelled(a, one), spelled(b, other)))).toBe(compareExactly(a, b));
        expect(compareDecimals(spelled(a, one), spelled(a, other))).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  it('tells neighbours apart that are one 64-bit number', () => {
    fc.assert(
      fc.property(exact, spelling, ([digits, exponent], how) => {
        const text = spelled([digits * 10n ** 30n, exponent], how);
        const next = spelled([digits * 10n ** 30n + 1n, exponent], how);
        expect(compareDecimals(text, next)).toBeLessThan(0);
        expect(compareDecimals(next, text)).toBeGreaterThan(0);
      }),
    );
  });

  it.each([
    ['9007199254740993', '9007199254740992', 1],
    ['1e400', '2e400', -1],
    ['-1e400', '-2e400', 1],
    ['1e-400', '2e-400', -1],
    ['0', '-0', 0],
    ['0e99999999999999999999', '-0.000', 0],
    ['0', '1e-99999999999999999999', -1],
    ['1e99999999999999999999', '10e99999999999999999998', 0],
    ['1e+2', '100', 0],
    ['0.12', '0.123', -1],
  ])('puts %s and %s in order: %i', (one, other, order) => {
    expect(Math.sign(compareDecimals(one, other))).toBe(order);
  });

  it('takes no longer for zeros in a row than for other digits', () => {
    const zeros = '0'.repeat(500_000);
    expect(compareDecimals(`0.1${zeros}1`, '0.1')).toBeGreaterThan(0);
    expect(compareDecimals(`1${zeros}e-500000`, '1')).toBe(0);
  });
});

describe('isNumberText', () => {
  it('takes what JSON.parse takes for a number', () => {
    const characters = fc.constantFrom(...'0123456789-+.eE _x');
    const isNumber = (text: string) => {
      try {
        return typeof JSON.parse(text) === 'number' && text.trim() === text;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(fc.string({ unit: characters, maxLength: 6 }), (text) => {
        expect(isNumberText(text)).toBe(isNumber(text));
      }),
      { numRuns: 2000 },
    );
  });
});
