import type { Stats } from './api.ts';
import { HUES, hue } from './event-list.tsx';
import { Plot, type Series } from './plot.tsx';
import { count, short } from './words.ts';

const MOST_SERIES = HUES;
export const RATE_WINDOW_MS = 5 * 60_000;
/** Over so many polls the present rate is taken. */
const RATE_POLLS = 5;
export const INTERVALS = {
  hour: { title: 'Last 24 hours', ms: 3_600_000, shown: 24 },
  day: { title: 'Last 30 days', ms: 86_400_000, shown: 30 },
};

export type Interval = keyof typeof INTERVALS;

/** How many events there were at a moment this page asked. */
export interface Sample {
  at: number;
  total: number;
}

/** Stacked bars by type; the interval that still runs is drawn as unfinished. */
export function OverTime({ stats: { counts, totals, interval } }: { stats: Stats }) {
  const { ms, shown, title } = INTERVALS[interval];
  const last = Math.floor(Date.now() / ms) * ms;
  const starts = Array.from({ length: shown }, (_, at) => last - (shown - 1 - at) * ms);
  const byStart = new Map(counts.map(({ start, events }) => [Date.parse(start), events]));
  const types = totals
    .map(({ eventType }) => eventType)
    .map((label) => ({ label, sum: counts.reduce((sum, { events }) => sum + (events[label] ?? 0), 0) }))
    .filter(({ sum }) => sum > 0)
    .sort((a, b) => b.sum - a.sum)
    .slice(0, MOST_SERIES);
  const hues = distinctHues(types.map(({ label }) => label));
  const series: Series[] = types.map(({ label }) => ({
    label,
    hue: hues.get(label)!,
    values: starts.map((start) => byStart.get(start)?.[label] ?? 0),
  }));
  const said = types.map(({ label, sum }) => `${count(sum)} ${label}`).join(', ');
  const summary = `${title}: ${said || 'no events'}.`;
  return (
    <>
      <Plot
        summary={summary}
        times={starts.map((start) => start / 1000)}
        series={series}
        barSeconds={ms / 1000}
      />
      <p class="hint">
        By the events’ own time{interval === 'day' && ', in days of UTC'}. The last bar is of{' '}
        {interval === 'day' ? 'a day' : 'an hour'} that is not over.
        {totals.length > MOST_SERIES && ` The ${MOST_SERIES} types with most events of ${totals.length}.`}
      </p>
    </>
  );
}

/** Each its own colour, and another only where that is taken. */
export function distinctHues(names: readonly string[]): Map<string, number> {
  const taken = new Map<string, number>();
  for (const name of names) {
    let next = hue(name);
    while ([...taken.values()].includes(next)) next = (next + 1) % HUES;
    taken.set(name, next);
  }
  return taken;
}

export function Rate({ samples }: { samples: Sample[] }) {
  const rates = samples.slice(1).map(({ at, total }, before) => {
    const earlier = samples[before]!;
    return ((total - earlier.total) / (at - earlier.at)) * 1000;
  });
  const times = samples.slice(1).map(({ at }) => at / 1000);
  const now = rateOf(samples);
  if (rates.length < 2 || now === undefined) return <p class="hint">Measured from now on…</p>;
  const summary = `Now ${short(now)} a second, at most ${short(Math.round(Math.max(...rates)))}.`;
  return (
    <Plot
      summary={summary}
      times={times}
      series={[{ label: 'events/s', hue: 0, values: rates }]}
      height={140}
      seconds={RATE_WINDOW_MS / 1000}
    />
  );
}

/** Events stored a second, over the last polls; undefined as long as there was only one. */
export function rateOf(samples: readonly Sample[]): number | undefined {
  const recent = samples.slice(-RATE_POLLS - 1);
  const [first, last] = [recent[0], recent.at(-1)];
  if (!first || !last || last.at === first.at) return undefined;
  const rate = ((last.total - first.total) / (last.at - first.at)) * 1000;
  return rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate);
}
