import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import UPlot from 'uplot';
import { barAfter, choosing } from './plot-choice.ts';
import { clock, date, offsetOf, shortDate, utcDay, zone } from './times.ts';
import { many, short } from './words.ts';

export interface Series {
  label: string;
  /** The name of a colour. */
  hue: number | 'other' | 'before';
  values: (number | null)[];
  /** Beside bars: drawn as a line over them, and not part of the stack. */
  isLine?: boolean;
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
  /** Draws stacked bars of this width instead of lines. */
  barSeconds?: number;
  /** Whether the last bar is of an interval that is not over. */
  isRunning?: boolean;
  /** Called with the part of the time, in seconds, that is dragged over, clicked or chosen by keys. */
  narrow?: (from: number, to: number) => void;
  /** What that does, as is said of keys; it narrows the time if it is not told. */
  narrowing?: string;
  /** A part of the time, in seconds, that is marked. */
  marked?: [from: number, to: number] | undefined;
}

const DAY_S = 86_400;

/** Lines over time. Colours follow the page, also when it turns dark. */
export function Plot(props: PlotProps) {
  const { summary, times, series, height = 200, seconds, barSeconds, narrow, marked } = props;
  const { narrowing = 'narrows the time to it' } = props;
  const isRunning = props.isRunning ?? true;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  const shown = useRef(props);
  shown.current = props;
  const canNarrow = narrow !== undefined;
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
        cursor: {
          y: false,
          points: { size: 6 },
          ...(canNarrow && { drag: { x: true, y: false, setScale: false } }),
        },
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
          draw: [
            (drawn) => {
              if (barSeconds !== undefined && isRunning) veilLast(drawn, colour('--card')());
              if (shown.current.marked) mark(drawn, shown.current.marked, colour('--accent')());
            },
          ],
          ...(barSeconds !== undefined && canNarrow && choosing(barSeconds, () => shown.current.narrow)),
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
            value: (_plot: UPlot, at: number | null) => {
              if (at !== null) return said(at, barSeconds);
              return barSeconds === undefined ? '–' : 'all shown';
            },
          },
          ...series.map(({ label, hue, isLine = false }, at) => ({
            label,
            ...styleOf(barSeconds !== undefined, isLine, colour(`--series-${hue}`)),
            stroke: colour(`--series-${hue}`),
            points: { show: false },
            value: (_plot: UPlot, _value: number | null, _series: number, index: number | null) => {
              return legendValue(shown.current.series[at]?.values ?? [], index, barSeconds !== undefined);
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
  }, [labels, height, seconds, barSeconds, isRunning, canNarrow, zone.value]);

  useEffect(() => plot.current?.setData([times, ...drawn(series, barSeconds)]), [times, series]);

  // Its scales may not be there yet.
  useEffect(() => plot.current?.redraw(false), [marked?.[0], marked?.[1]]);

  const picture = <div ref={place} aria-hidden="true" />;
  return (
    <figure class={barSeconds === undefined ? 'plot' : 'plot bars'}>
      {narrow && barSeconds !== undefined ? (
        <Choice
          times={times}
          series={series}
          barSeconds={barSeconds}
          narrow={narrow}
          narrowing={narrowing}
          point={(at) => plot.current?.setCursor({ left: plot.current.valToPos(at, 'x'), top: 0 })}
        >
          {picture}
        </Choice>
      ) : (
        picture
      )}
      <figcaption class="unseen">{summary}</figcaption>
    </figure>
  );
}

interface ChoiceProps
  extends Required<Pick<PlotProps, 'times' | 'series' | 'barSeconds' | 'narrow' | 'narrowing'>> {
  /** Shows a time in the plot. */
  point(at: number): void;
  children: ComponentChildren;
}

/** The bars by keys: one after the other is said, and Enter narrows the time to it. */
function Choice({ times, series, barSeconds, narrow, narrowing, point, children }: ChoiceProps) {
  const [chosen, setChosen] = useState<number>();
  const at = Math.min(chosen ?? times.length, times.length - 1);
  const start = times[at] ?? 0;
  const events = series.reduce((sum, { values, isLine }) => sum + (isLine ? 0 : (values[at] ?? 0)), 0);
  function press(event: KeyboardEvent) {
    const next = barAfter(event.key, at, times.length);
    if (next !== undefined) {
      setChosen(next);
      point(times[next]! + barSeconds / 2);
    } else if (event.key === 'Enter') narrow(start, start + barSeconds);
    else return;
    event.preventDefault();
  }
  return (
    <div
      role="slider"
      tabIndex={0}
      aria-label={`Interval: Enter ${narrowing}`}
      aria-valuemin={0}
      aria-valuemax={times.length - 1}
      aria-valuenow={at}
      aria-valuetext={`${said(start, barSeconds)}: ${many(events, 'event')}`}
      onKeyDown={press}
    >
      {children}
    </div>
  );
}

/** Of the bar that is pointed at, or of all. */
function legendValue(values: (number | null)[], index: number | null, isBars: boolean): string {
  const sum = () => values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const value = index !== null ? values[index] : isBars ? sum() : undefined;
  return value == null ? '–' : short(Math.round(value * 10) / 10);
}

/** Bars begin where their interval does, and so do the steps of a line over them. */
function styleOf(isBars: boolean, isLine: boolean, fill: () => string): Partial<UPlot.Series> {
  if (!isBars) return { width: 2 };
  if (isLine) return { width: 1.5, paths: UPlot.paths.stepped!({ align: 1 }) };
  return { width: 0, fill, paths: UPlot.paths.bars!({ size: [0.8, 60], align: 1 }) };
}

/** Bars are drawn from the highest to the lowest, each in front of the one before. */
function drawn(series: readonly Series[], barSeconds: number | undefined): (number | null)[][] {
  if (barSeconds === undefined) return series.map(({ values }) => values);
  return series.map(({ values, isLine }, first) => {
    const stack = series.slice(first).filter((one) => !one.isLine);
    if (isLine) return values;
    return values.map((_, at) => stack.reduce((sum, one) => sum + (one.values[at] ?? 0), 0));
  });
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

const MARKED = 0.2;

/** A part of the time, in another colour. */
function mark({ ctx, bbox, valToPos }: UPlot, [from, to]: [number, number], colour: string): void {
  const left = Math.max(bbox.left, valToPos(from, 'x', true));
  const right = Math.min(bbox.left + bbox.width, valToPos(to, 'x', true));
  if (right <= left) return;
  ctx.save();
  ctx.globalAlpha = MARKED;
  ctx.fillStyle = colour;
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
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
  if (step % 60 !== 0) return clock(at * 1000);
  const minutes = clock(at * 1000).slice(0, 5);
  return minutes === '00:00' ? shortDate(at * 1000) : minutes;
}
