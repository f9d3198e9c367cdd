import { describe, expect, it } from 'vitest';
import { SeriesTally } from '../../../src/query/series-tally.ts';

/** Adds one event of each value in an interval. */
function add(tally: SeriesTally, interval: number, values: readonly string[]): SeriesTally {
  for (const value of values) tally.add(interval, value, 1);
  return tally;
}

describe('a tally of series', () => {
  it('knows in which intervals each of very many values has been', () => {
    const values = Array.from({ length: 5000 }, (_, at) => `value ${at}`);
    const tally = new SeriesTally(2);
    for (const interval of [0, 1]) add(tally, interval, values);
    const { series, others } = add(tally, 1, ['value 4000']).result(2);
    expect(series.map(({ value, counts }) => [value, ...counts])).toEqual([
      ['value 4000', 1, 2],
      ['value 0', 1, 1],
    ]);
    expect([others.values, ...others.counts]).toEqual([4998, 4998, 4998]);
  });

  it('lists values of as many events in the order of their texts, and last what has none', () => {
    const tally = new SeriesTally(1);
    for (const value of ['5', null, 'a', '10']) tally.add(0, value, 1);
    expect(tally.result(3).series.map(({ value }) => value)).toEqual(['10', '5', 'a']);
    expect(tally.result(4).series.map(({ value }) => value)).toEqual(['10', '5', 'a', null]);
  });

  it('takes more memory for more values, longer ones, and those in more intervals', () => {
    const { bytes } = add(new SeriesTally(2), 0, ['ada']);
    expect(new SeriesTally(2).bytes).toBe(0);
    expect(add(new SeriesTally(2), 0, ['ada', 'bob', 'ada', 'bob']).bytes).toBe(2 * bytes);
    expect(add(new SeriesTally(2), 0, ['ada'.repeat(100)]).bytes).toBe(bytes + 2 * 'ada'.length * 99);
    const inBoth = add(add(new SeriesTally(2), 0, ['ada']), 1, ['ada']).bytes;
    expect(inBoth).toBe(bytes + 3 * Uint32Array.BYTES_PER_ELEMENT);
    expect(inBoth - bytes).toBeLessThan(bytes / 2);
  });
});
