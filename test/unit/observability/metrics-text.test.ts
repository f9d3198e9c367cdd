import { expect, it } from 'vitest';
import { seriesOf, sumOf } from '../../../src/observability/metrics-text.ts';

const TEXT = `# HELP a_total Of everything.
# TYPE a_total counter
a_total{code="x",note="a \\"quoted\\" text"} 2
a_total{code="y"} 3
a_total_more 7
b 1.5`;

it('reads the series of one metric, with their labels', () => {
  expect(seriesOf(TEXT, 'a_total')).toEqual([
    { labels: { code: 'x', note: 'a \\"quoted\\" text' }, value: 2 },
    { labels: { code: 'y' }, value: 3 },
  ]);
  expect(seriesOf(TEXT, 'b')).toEqual([{ labels: {}, value: 1.5 }]);
  expect(seriesOf(TEXT, 'none')).toEqual([]);
});

it('adds them up', () => {
  expect(sumOf(TEXT, 'a_total')).toBe(5);
});
