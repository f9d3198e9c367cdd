import { expect, it } from 'vitest';
import { KNOWN_LATER, Meter } from '../../../src/observability/meter.ts';

const help = 'h';

it('puts the prefix before the name of every metric', async () => {
  const meter = new Meter();
  meter.counter({ name: 'a_total', help });
  meter.gauge({ name: 'b', help, collect: (gauge) => gauge.set(1) });
  meter.histogram({ name: 'c_seconds', help });
  const own = meter.registry.getMetricsAsArray().map(({ name }) => name);
  expect(own.filter((name) => !/^(nodejs|process)_/.test(name))).toEqual([
    'footfall_a_total',
    'footfall_b',
    'footfall_c_seconds',
  ]);
});

it('starts a counter at 0 with every combination of what its labels can be', async () => {
  const meter = new Meter();
  const counter = meter.counter({
    name: 'a_total',
    help,
    labels: { kind: ['same', 'other'], way: ['in', 'out'] },
  });
  counter.inc({ kind: 'other', way: 'in' }, 3);
  expect((await counter.get()).values).toEqual([
    { labels: { kind: 'same', way: 'in' }, value: 0 },
    { labels: { kind: 'same', way: 'out' }, value: 0 },
    { labels: { kind: 'other', way: 'in' }, value: 3 },
    { labels: { kind: 'other', way: 'out' }, value: 0 },
  ]);
});

it('starts a counter without labels at 0, and one whose labels are known later without series', async () => {
  const meter = new Meter();
  const plain = meter.counter({ name: 'a_total', help });
  const later = meter.counter({ name: 'b_total', help, labels: { partition: KNOWN_LATER } });
  expect((await plain.get()).values).toEqual([{ labels: {}, value: 0 }]);
  expect((await later.get()).values).toEqual([]);
});

it('reads a gauge at each scrape', async () => {
  const meter = new Meter();
  let open = 1;
  meter.gauge({
    name: 'open',
    help,
    labelNames: ['way'],
    collect: (gauge) => gauge.set({ way: 'in' }, open),
  });
  expect(await meter.registry.metrics()).toContain('footfall_open{way="in"} 1');
  open = 2;
  expect(await meter.registry.metrics()).toContain('footfall_open{way="in"} 2');
});
