import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import { clock, date, short } from './words.ts';

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
}

const DAY_S = 86_400;

/** Lines over time. Colours follow the page, also when it turns dark. */
export function Plot({ summary, times, series, height = 200, seconds }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
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
          x: { range: (_plot, first, last) => [seconds === undefined ? first : last - seconds, last] },
          y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] },
        },
        axes: [
          {
            ...axis,
            size: 30,
            space: 70,
            values: (_plot, splits) => splits.map((at) => timeLabel(at, splits)),
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
            value: (_plot: UPlot, at: number | null) =>
              at === null ? '–' : `${date(at * 1000)}, ${clock(at * 1000)}`,
          },
          ...series.map(({ label, hue }) => ({
            label,
            stroke: colour(`--series-${hue}`),
            width: 2,
            points: { show: false },
            value: (_plot: UPlot, value: number | null) =>
              value === null ? '–' : short(Math.round(value * 10) / 10),
          })),
        ],
      },
      [times, ...series.map(({ values }) => values)],
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
  }, [labels, height, seconds]);

  useEffect(() => plot.current?.setData([times, ...series.map(({ values }) => values)]), [times, series]);

  return (
    <figure class="plot">
      <div ref={place} aria-hidden="true" />
      <figcaption class="unseen">{summary}</figcaption>
    </figure>
  );
}

/** Seconds where labels are close, days where they are far apart. */
function timeLabel(at: number, all: readonly number[]): string {
  const step = (all[1] ?? at) - (all[0] ?? at);
  if (step >= DAY_S)
    return date(at * 1000)
      .split(' ')
      .slice(1, 3)
      .join(' ');
  return step % 60 === 0 ? clock(at * 1000).slice(0, 5) : clock(at * 1000);
}
