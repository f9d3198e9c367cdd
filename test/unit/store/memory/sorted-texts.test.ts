import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, SortedTexts } from '../../../../src/store/memory/sorted-texts.ts';

/** In an order that is not theirs, some of them twice, and in several pieces. */
const TEXTS = Array.from({ length: 4000 }, (_, at) => `${(at * 1237) % 3000}`);
const SORTED = [...new Set(TEXTS)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

function texts(): SortedTexts {
  const sorted = new SortedTexts();
  for (const text of TEXTS) sorted.add(text);
  return sorted;
}

it('texts are in order, each once, however many there are', () => {
  expect(texts().from('', TEXTS.length)).toEqual(SORTED);
  expect(new SortedTexts().from('', 9)).toEqual([]);
});

it('texts are given from any one on, whether it is among them, as many as are asked for', () => {
  const sorted = texts();
  for (const at of SORTED.keys()) {
    const text = SORTED[at]!;
    expect(sorted.from(text, 3)).toEqual(SORTED.slice(at, at + 3));
    expect(sorted.from(`${text} `, 2)).toEqual(SORTED.slice(at + 1, at + 3));
  }
  expect(sorted.from('5', 1200)).toEqual(SORTED.filter((text) => text >= '5').slice(0, 1200));
  expect(sorted.from('~', 3)).toEqual([]);
});

it('texts are compared as their bytes are', () => {
  const ordered = ['', 'A', 'a', 'aa', 'b', 'ä', '\u07ff', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '😀'];
  for (const [at, a] of ordered.entries()) {
    for (const [other, b] of ordered.entries())
      expect(Math.sign(compareBytes(a, b))).toBe(Math.sign(at - other));
  }
});

const text = fc.string({
  unit: fc.constantFrom('a', 'b', 'ä', '\ud7ff', '\ue000', '\uffff', '😀', '🚀'),
  maxLength: 5,
});
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

describe('compareBytes', () => {
  it('puts texts in the order of their bytes in UTF-8', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(byBytes(a, b));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('sorted texts', () => {
  it('are each there once, from any on, also when there are very many', () => {
    const number = fc.integer({ min: 0, max: 100_000 });
    const numbers = fc.array(number, { minLength: 1, maxLength: 5000, size: 'max' });
    fc.assert(
      fc.property(numbers, fc.array(number, { maxLength: 20 }), fc.nat(1500), (given, starts, limit) => {
        const texts = new SortedTexts();
        for (const one of given) texts.add(String(one));
        const expected = [...new Set(given.map(String))].sort(byBytes);
        for (const start of ['', ...starts.map(String), 'x']) {
          const behind = expected.filter((one) => byBytes(one, start) >= 0);
          expect(texts.from(start, limit)).toEqual(behind.slice(0, limit));
        }
      }),
      { numRuns: 30 },
    );
  });
});
