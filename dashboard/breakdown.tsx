import { useMemo } from 'preact/hooks';
import { type Condition, EMPTY, equals, narrowed, sayProperty } from './conditions.ts';
import { HUES } from './event-list.tsx';
import { Exact } from './exact.tsx';
import { type Range, timesOf } from './explore-range.ts';
import { NarrowCell, NarrowHead } from './narrow.tsx';
import { distinctHues } from './over-time.tsx';
import { type Series as Drawn, Plot } from './plot.tsx';
import { count, many } from './words.ts';

interface Counted {
  events: number;
  previous?: number;
  /** Of each interval. */
  counts: number[];
}

/** As `GET /events/stats/series` answers. */
export interface Series {
  from: string;
  to: string;
  by: string | null;
  total: number;
  series: (Counted & { value: string | null })[];
  others: Counted & { values: number };
  previous?: { from: string; to: string; total: number; counts: number[] };
}

const NONE = '(none)';
const MOST_SHOWN = 80;

const named = ({ value }: { value: string | null }) => (value === '' ? EMPTY : (value ?? NONE));

function huesOf({ series }: Series): Map<string, number> {
  return distinctHues(series.slice(0, HUES).map(named));
}

interface BarsProps {
  answer: Series;
  range: Range;
  narrow(from: number, to: number): void;
  narrowing?: string | undefined;
  marked?: { from: number; to: number } | undefined;
}

/** Bars stacked by value; the period before as a line over them. */
export function Bars({ answer, range, narrow, narrowing, marked }: BarsProps) {
  const { by, total, series, previous } = answer;
  const seconds = range.intervalMs / 1000;
  const drawn = useMemo(() => toDrawn(answer), [answer]);
  const times = useMemo(() => startsIn(answer, seconds), [answer, seconds]);
  const spoken = series.map((one) => `${count(one.events)} ${named(one)}`).join(', ');
  return (
    <>
      <p class="lead" role="status">
        {many(total, 'event')}
        {previous &&
          (previous.total === 0
            ? ', and none in the period before'
            : `, ${change(total, previous.total)} (${count(previous.total)} in the period before)`)}
      </p>
      <Plot
        summary={
          by === null ? `${many(total, 'event')}.` : `By ${sayProperty(by)}: ${spoken || 'no events'}.`
        }
        times={times}
        series={drawn}
        barSeconds={seconds}
        isRunning={range.span !== undefined}
        narrow={narrow}
        {...(narrowing !== undefined && { narrowing })}
        marked={marked && [marked.from / 1000, marked.to / 1000]}
      />
    </>
  );
}

function toDrawn(answer: Series): Drawn[] {
  const { by, series, others, previous } = answer;
  const hues = huesOf(answer);
  const drawn: Drawn[] =
    by === null
      ? [{ label: 'events', hue: 0, values: series[0]?.counts ?? others.counts }]
      : series
          .slice(0, HUES)
          .map((one) => ({ label: named(one), hue: hues.get(named(one))!, values: one.counts }));
  const rest = [...series.slice(HUES), others];
  if (rest.some(({ events }) => events > 0))
    drawn.push({ label: 'others', hue: 'other', values: sums(rest) });
  if (previous) drawn.push({ label: 'period before', hue: 'before', isLine: true, values: previous.counts });
  return drawn;
}

function startsIn({ from, others }: Series, seconds: number): number[] {
  const first = Math.floor(Date.parse(from) / 1000 / seconds) * seconds;
  return others.counts.map((_, at) => first + at * seconds);
}

function sums(counted: Counted[]): number[] {
  return counted[0]!.counts.map((_, at) => counted.reduce((sum, { counts }) => sum + (counts[at] ?? 0), 0));
}

/** `+12 %` */
function change(now: number, before: number): string {
  if (before === 0) return now === 0 ? 'unchanged' : 'new';
  const percent = Math.round((100 * (now - before)) / before);
  return percent === 0 ? 'unchanged' : `${percent > 0 ? '+' : '−'}${count(Math.abs(percent))} %`;
}

interface BreakdownProps {
  answer: Series;
  range: Range;
  /** What the events have in common. */
  conditions: Condition[];
  /** The address of this view with one more condition. */
  toOnly(condition: Condition): string;
}

/** Each value with its number of events and the change to the period before. */
export function Breakdown({ answer, range, conditions, toOnly }: BreakdownProps) {
  const { by, total, series, others, previous } = answer;
  if (by === null || total === 0) return null;
  const hues = huesOf(answer);
  return (
    <table class="texts breakdown">
      <thead>
        <tr>
          <th scope="col">{sayProperty(by)}</th>
          <th scope="col" class="number">
            Events
          </th>
          <th scope="col" class="number">
            Share
          </th>
          {previous && (
            <th scope="col" class="number">
              Change
            </th>
          )}
          <NarrowHead />
        </tr>
      </thead>
      <tbody>
        {series.map((one) => {
          const condition = conditionFor(by, one.value);
          const query = new URLSearchParams([...narrowed(conditions, condition), ...timesOf(range)]);
          return (
            <tr key={one.value}>
              <td data-name={sayProperty(by)}>
                <span class={`swatch of-series-${hues.get(named(one)) ?? 'other'}`} />
                <a href={`#/search?${query}`} title="Search these events">
                  <Exact text={named(one)} most={MOST_SHOWN} />
                </a>
              </td>
              <Figures counted={one} total={total} />
              <NarrowCell href={toOnly(condition)} to={named(one)} />
            </tr>
          );
        })}
        {others.values > 0 && (
          <tr>
            <td data-name={sayProperty(by)}>
              <span class="swatch of-series-other" />
              {many(others.values, 'other value')}
            </td>
            <Figures counted={others} total={total} />
            <NarrowCell />
          </tr>
        )}
      </tbody>
    </table>
  );
}

function Figures({ counted: { events, previous }, total }: { counted: Counted; total: number }) {
  return (
    <>
      <td data-name="Events" class="number">
        {count(events)}
      </td>
      <td data-name="Share" class="number">
        {Math.round((100 * events) / total)} %
      </td>
      {previous !== undefined && (
        <td data-name="Change" class="number">
          {change(events, previous)}
          {previous > 0 && <span class="hint"> from {count(previous)}</span>}
        </td>
      )}
    </>
  );
}

function conditionFor(by: string, value: string | null): Condition {
  return value === null ? [`${by}[scalar]`, 'false'] : equals(by, value);
}
