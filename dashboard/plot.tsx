import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import { clock, date, offsetOf, shortDate, utcDay, zone } from './times.ts';
import { short } from './words.ts';

export interface Series {
  label: string;
  /** Number of a colour. */
  hue: number;
  values: (number | null)[];
}

interface PlotProps {
  /** What it shows, in words: all that a screen reader gets of the picture. */
  summary: string;
  /** Seconds since 1970, ascending. */
  times: number[];
  series: Series[];
  height?: number;
  /** How many seconds up to the last time are shown, from where on there are times or not. */
  seconds?: number;
  /** Draws stacked bars of this width instead of lines; the last is of an interval that is not over. */
  barSeconds?: number;
}

const DAY_S = 86_400;

/** Lines over time. Colours follow the page, also when it turns dark. */
export function Plot({ summary, times, series, height = 200, seconds, barSeconds }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  const shown = useRef(series);
  shown.current = series;
  const labels = series.map(({ label, hue }) => `${hue} ${label}`).join('\n');

  useEffect(() => {
    const element = place.current!;
    const colour = (name: string) => () => getComputedStyle(element).getPropertyValue(name);
    const axis = {
      stroke: colour('--soft'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    };
    const made = new UPlot(
      {
        width: element.clientWidth,
        height,
        padding: [8, 24, 0, 0],
        legend: { live: true },
        cursor: { y: false, points: { size: 6 } },
        scales: {
          x: {
            range: (_plot, first, last) => [
              seconds === undefined ? first : last - seconds,
              last + (barSeconds ?? 0),
            ],
          },
          y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] },
        },
        hooks: {
          draw: barSeconds === undefined ? [] : [(drawnPlot) => veilLast(drawnPlot, colour('--card')())],
        },
        axes: [
          {
            ...axis,
            size: 30,
            space: 70,
            values: (_plot, splits) => splits.map((at) => timeLabel(at, splits, barSeconds)),
          },
          {
            ...axis,
            size: 52,
            values: (_plot, splits) => splits.map((value) => (value % 1 ? '' : short(value))),
          },
        ],
        series: [
          {
            label: 'Time',
            value: (_plot: UPlot, at: number | null) => (at === null ? '–' : said(at, barSeconds)),
          },
          ...series.map(({ label, hue }, at) => ({
            label,
            ...(barSeconds !== undefined && {
              fill: colour(`--series-${hue}`),
              paths: UPlot.paths.bars!({ size: [0.8, 60], align: 1 }),
            }),
            stroke: colour(`--series-${hue}`),
            width: barSeconds === undefined ? 2 : 0,
            points: { show: false },
            value: (_plot: UPlot, _value: number | null, _series: number, index: number | null) => {
              const own = index === null ? undefined : shown.current[at]?.values[index];
              return own == null ? '–' : short(Math.round(own * 10) / 10);
            },
          })),
        ],
      },
      [times, ...drawn(series, barSeconds)],
      element,
    );
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const redraw = () => made.redraw();
    dark.addEventListener('change', redraw);
    return () => {
      dark.removeEventListener('change', redraw);
      resized.disconnect();
      made.destroy();
    };
  }, [labels, height, seconds, barSeconds, zone.value]);

  useEffect(() => plot.current?.setData([times, ...drawn(series, barSeconds)]), [times, series]);

  return (
    <figure class="plot">
      <div ref={place} aria-hidden="true" />
      <figcaption class="unseen">{summary}</figcaption>
    </figure>
  );
}

/** Bars are drawn from the highest to the lowest, each in front of the one before. */
function drawn(series: readonly Series[], barSeconds: number | undefined): (number | null)[][] {
  if (barSeconds === undefined) return series.map(({ values }) => values);
  return series.map(({ values }, first) =>
    values.map((_, at) => series.slice(first).reduce((sum, one) => sum + (one.values[at] ?? 0), 0)),
  );
}

const STRIPE = 6;

/** Stripes over the last bar: it still grows. */
function veilLast({ ctx, bbox, data, valToPos }: UPlot, colour: string): void {
  const left = valToPos(data[0].at(-1)!, 'x', true);
  const right = bbox.left + bbox.width;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.lineWidth = STRIPE / 2;
  for (let at = left - bbox.height; at < right; at += STRIPE * 1.5) {
    ctx.beginPath();
    ctx.moveTo(at, bbox.top + bbox.height);
    ctx.lineTo(at + bbox.height, bbox.top);
    ctx.stroke();
  }
  ctx.restore();
}

function said(at: number, barSeconds: number | undefined): string {
  if (barSeconds === DAY_S) return `${utcDay(at * 1000)} (UTC)`;
  return `${date(at * 1000)}, ${clock(at * 1000)} ${offsetOf(at * 1000)}`;
}

/** Seconds where labels are close, days where they are far apart; counted days in UTC, as they are counted. */
function timeLabel(at: number, all: readonly number[], barSeconds: number | undefined): string {
  if (barSeconds === DAY_S) return utcDay(at * 1000);
  const step = (all[1] ?? at) - (all[0] ?? at);
  if (step >= DAY_S) return shortDate(at * 1000);
  return step % 60 === 0 ? clock(at * 1000).slice(0, 5) : clock(at * 1000);
}
