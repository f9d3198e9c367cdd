import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { init } from 'echarts';
import type { CurveName, Row } from './rows.ts';

const FOLDER = 'docs/curves';
const SIZE = { width: 640, height: 320 };

interface CurveText {
  x: string;
  throughput: string;
  p99: string;
}

const POSTS = { throughput: 'requests/s', p99: 'p99, ms' };
const TEXTS: Record<CurveName, CurveText> = {
  connections: { x: 'connections', ...POSTS },
  'event-size': { x: 'bytes of an event', ...POSTS },
  partitions: { x: 'partitions', ...POSTS },
  instances: { x: 'instances', ...POSTS },
  rows: { x: 'rows stored', throughput: 'events/s', p99: 'p99 of a page, ms' },
};

/** Draws the curves there are points of, an SVG each. @returns their paths */
export async function drawCurves(rows: readonly Row[]): Promise<string[]> {
  await mkdir(FOLDER, { recursive: true });
  const points = Map.groupBy(
    rows.filter(({ curve }) => curve !== undefined),
    ({ curve }) => curve!.name,
  );
  const paths: string[] = [];
  for (const [name, own] of points) {
    const path = join(FOLDER, `${name}.svg`);
    await writeFile(path, `${draw(TEXTS[name], own)}\n`);
    paths.push(path);
  }
  return paths;
}

function draw(text: CurveText, rows: readonly Row[]): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...SIZE });
  const axis = (name: string) => ({ type: 'value' as const, name, min: 0 });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    color: ['#1f5fbf', '#c2410c'],
    legend: { top: 4 },
    grid: { left: 70, right: 70, top: 60, bottom: 45 },
    xAxis: {
      type: 'category',
      name: text.x,
      nameLocation: 'middle',
      nameGap: 28,
      data: rows.map(({ curve }) => curve!.x.toLocaleString('en')),
    },
    yAxis: [axis(text.throughput), { ...axis(text.p99), splitLine: { show: false } }],
    series: [
      { name: text.throughput, type: 'line', data: rows.map(({ runs }) => Math.round(runs[0]!)) },
      {
        name: text.p99,
        type: 'line',
        yAxisIndex: 1,
        lineStyle: { type: 'dashed' },
        data: rows.map(({ curve }) => Number(curve!.p99Ms.toPrecision(3))),
      },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
