import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrequentValues } from '../../../src/query/frequent-values.ts';

const MOST = 5;

describe('frequent values', () => {
  it('knows every value that is as frequent as it says, and never more values than it may', () => {
    const property = fc.constantFrom('p', 'q');
    const times = fc.constantFrom(1, 2, 3, 7);
    const value = fc.oneof(fc.constantFrom('a', 'b'), fc.nat(30).map(String));
    fc.assert(
      fc.property(fc.array(fc.tuple(property, value, times), { maxLength: 200 }), (seen) => {
        const values = new FrequentValues(MOST);
        for (const [property, value, times] of seen) {
          values.finder.see(values.finder.group(property)!, value, times);
          expect([...values.values()].length).toBeLessThanOrEqual(MOST);
        }
        const known = new Set([...values.values()].map((one) => `${one.property} ${one.value}`));
        const groups = Map.groupBy(seen, ([property, value]) => `${property} ${value}`);
        const sum = (of: typeof seen) => of.reduce((all, [, , times]) => all + times, 0);
        for (const [one, own] of groups) if (sum(own) >= values.least) expect(known).toContain(one);
        expect(values.least - 1).toBeLessThanOrEqual(sum(seen) / (MOST + 1));
        if (groups.size <= MOST) expect(values.least).toBe(1);
      }),
    );
  });

  it('counts what it knows again, on each side, and nothing else', () => {
    const values = new FrequentValues(2);
    const seen = ['a', 'a', 'a', 'b', 'c'];
    for (const value of seen) values.finder.see('p', value, 1);
    expect(values.least).toBe(2);
    values.restart();
    for (const side of ['selected', 'baseline', 'baseline'] as const) {
      const counter = values.counter(side);
      expect(counter.group('q')).toBeUndefined();
      for (const value of seen) counter.see(counter.group('p')!, value, 1);
    }
    expect([...values.values()]).toEqual([{ property: 'p', value: 'a', selected: 3, baseline: 6 }]);
  });

  it('takes memory for its values, and gives back that of those it forgets', () => {
    const values = new FrequentValues(2);
    values.finder.see('p', 'a', 1);
    const one = values.bytes;
    values.finder.see('p', 'b', 1);
    expect(values.bytes).toBe(2 * one);
    values.finder.see('p', 'c', 1);
    expect(values.bytes).toBe(0);
    expect(values.counter('selected').group('p')).toBeUndefined();
    values.finder.see('p', 'a'.repeat(100), 1);
    expect(values.bytes).toBe(one + 2 * 99);
    expect(one).toBeGreaterThan(100);
  });

  it('leaves out what no filter can ask for', () => {
    const values = new FrequentValues(10);
    for (const value of ['x'.repeat(256), 'a\u0000b', '\ud800']) values.finder.see('p', value, 1);
    values.finder.see('x'.repeat(256), 'a', 1);
    expect([...values.values()]).toEqual([]);
  });
});
