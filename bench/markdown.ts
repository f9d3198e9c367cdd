import { holds, median, type Row, ratios, wantedText } from './rows.ts';

const HEAD = `| part | what | median | of | ratio | wanted | holds |
|---|---|--:|---|--:|--:|---|`;
/** Requests a second and the like are told apart from milliseconds. */
const WHOLE_FROM = 100;

/** Rows as a Markdown table, each with the range of its ratios over the runs. */
export function toMarkdown(rows: readonly Row[]): string {
  return [HEAD, ...rows.map(toLine)].join('\n');
}

function toLine(row: Row): string {
  const latencies = /^p50 [\d.]+ ms, p99 [\d.]+ ms/.exec(row.notes ?? '')?.[0];
  const cells = [
    row.part,
    latencies === undefined ? row.what : `${row.what} (${latencies})`,
    `${figure(median(row.runs))} ${row.unit}`,
    row.limit?.name ?? '',
    range(ratios(row)),
    wantedText(row),
    { true: 'yes', false: '**no**', undefined: '' }[String(holds(row))],
  ];
  return `| ${cells.join(' | ')} |`;
}

function range(values: readonly number[]): string {
  if (values.length === 0) return '';
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.length === 1 ? least.toFixed(2) : `${least.toFixed(2)} – ${most.toFixed(2)}`;
}

function figure(value: number): string {
  return value >= WHOLE_FROM
    ? Math.round(value).toLocaleString('en').replaceAll(',', ' ')
    : String(Number(value.toPrecision(3)));
}
