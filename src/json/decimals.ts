// Numbers as JSON texts, compared exactly: a 64-bit number may stand for many of them.

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i;

/** Whether a text is a number in JSON. */
export function isNumberText(text: string): boolean {
  return NUMBER.test(text);
}

/** SIGN 0.DIGITS × 10^magnitude; digits neither begin nor end with 0, and those of zero are empty. */
interface Decimal {
  sign: -1 | 0 | 1;
  digits: string;
  /** Called only where it matters: an exponent may have a million digits. */
  magnitude(): bigint;
}

/** @returns negative where the first is smaller, 0 for two spellings of one number */
export function compareDecimals(one: string, other: string): number {
  const [a, b] = [readDecimal(one), readDecimal(other)];
  if (a.sign !== b.sign || a.sign === 0) return a.sign - b.sign;
  const [first, second] = a.sign < 0 ? [b, a] : [a, b];
  return compare(first.magnitude(), second.magnitude()) || compare(first.digits, second.digits);
}

function compare<T extends bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const PARTS = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i;

function readDecimal(text: string): Decimal {
  const [, minus, whole = '', fraction = '', exponent = '0'] = PARTS.exec(text)!;
  const all = whole + fraction;
  // Not with patterns: one for the zeros at the end would begin again at each zero.
  let first = 0;
  while (all[first] === '0') first++;
  let end = all.length;
  while (end > first && all[end - 1] === '0') end--;
  return {
    sign: first === end ? 0 : minus === '' ? 1 : -1,
    digits: all.slice(first, end),
    magnitude: () => BigInt(exponent.replace('+', '')) + BigInt(whole.length - first),
  };
}
