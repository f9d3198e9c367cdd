import { get } from './api.ts';
import { Plot, type Series } from './plot.tsx';
import { usePolling } from './polling.ts';
import { Outdated } from './problem.tsx';
import { goTo } from './route.ts';
import { count, short } from './words.ts';

const POLL_MS = 10_000;
/** Minutes, and what they are called. */
const RANGES = [
  ['15', '15 minutes'],
  ['60', '1 hour'],
  ['360', '6 hours'],
  ['720', '12 hours'],
] as const;

/** As `GET /metrics/history` answers; null: not known at the time. */
interface Sample {
  at: string;
  written: number | null;
  processed: number | null;
  rejected: number | null;
  lag: number | null;
  lagSeconds: number | null;
  appendSeconds: number | null;
  storeSeconds: number | null;
}

type Figure = Exclude<keyof Sample, 'at'>;

interface Chart {
  title: string;
  lines: [label: string, figure: Figure, factor?: number][];
  say(newest: Sample): string;
  /** From which value of a figure on somebody should look, and from which on it is bad. */
  limits?: Partial<Record<Figure, [warn: number, bad: number]>>;
}

const CHARTS: Chart[] = [
  {
    title: 'Records per second',
    lines: [
      ['written', 'written'],
      ['processed', 'processed'],
      ['rejected', 'rejected'],
    ],
    say: ({ written, processed }) => `${perSecond(written)} written, ${perSecond(processed)} processed`,
  },
  {
    title: 'Records waiting',
    lines: [['waiting', 'lag']],
    say: ({ lag }) => (lag === null ? 'not known' : count(lag)),
  },
  {
    title: 'Age of the oldest waiting record, seconds',
    lines: [['seconds', 'lagSeconds']],
    say: ({ lagSeconds }) => (lagSeconds === null ? 'not known' : `${short(Math.round(lagSeconds))} s`),
    limits: { lagSeconds: [10, 60] },
  },
  {
    title: 'Slowest 1 %, milliseconds',
    lines: [
      ['append to the log', 'appendSeconds', 1000],
      ['store a batch', 'storeSeconds', 1000],
    ],
    say: ({ appendSeconds, storeSeconds }) =>
      `append ${milliseconds(appendSeconds)}, store ${milliseconds(storeSeconds)}`,
    limits: { appendSeconds: [0.5, 2], storeSeconds: [1, 5] },
  },
];

/** Rates, lag and latency over the last hours, as this instance has seen them. */
export function History({ parameters }: { parameters: URLSearchParams }) {
  const asked = parameters.get('minutes');
  const minutes = RANGES.some(([value]) => value === asked) ? asked! : '60';
  const polled = usePolling(
    () => get<{ samples: Sample[] }>(`/metrics/history?minutes=${minutes}`),
    POLL_MS,
    minutes,
  );
  const { value, problem } = polled;
  return (
    <section aria-labelledby="history">
      <div class="heading">
        <h2 id="history">The last hours</h2>
        <fieldset class="choices">
          <legend class="unseen">Period</legend>
          {RANGES.map(([value, name]) => (
            <button
              key={value}
              type="button"
              aria-pressed={value === minutes}
              onClick={() => goTo('groups', [['minutes', value]])}
            >
              {name}
            </button>
          ))}
        </fieldset>
      </div>
      <Outdated polled={polled} />
      {value && value.samples.length < 2 && (
        <p class="hint">This instance has just started: it takes a sample every ten seconds.</p>
      )}
      {value && value.samples.length >= 2 && (
        <div class={`columns charts ${problem === undefined ? '' : 'stale'}`}>
          {CHARTS.map((chart) => (
            <ChartOf key={chart.title} chart={chart} samples={value.samples} minutes={Number(minutes)} />
          ))}
        </div>
      )}
    </section>
  );
}

function ChartOf({ chart, samples, minutes }: { chart: Chart; samples: Sample[]; minutes: number }) {
  const { title, lines, say } = chart;
  const newest = samples.at(-1)!;
  const state = stateOf(chart, newest);
  const series = lines.map(
    ([label, figure, factor = 1], hue): Series => ({
      label,
      hue,
      values: samples.map(({ [figure]: value }) => (value === null ? null : value * factor)),
    }),
  );
  return (
    <section class={`chart ${state}`}>
      <h3>{title}</h3>
      <p>
        <strong>{say(newest)}</strong> {WORDS[state]}
      </p>
      <Plot
        summary={`${title}: now ${say(newest)}.`}
        times={samples.map(({ at }) => Date.parse(at) / 1000)}
        series={series}
        height={140}
        seconds={minutes * 60}
      />
    </section>
  );
}

type State = 'good' | 'warn' | 'bad';
/** Not by colour alone. */
const WORDS: Record<State, string> = { good: '', warn: '– slow', bad: '– too slow' };

function stateOf({ limits = {} }: Chart, newest: Sample): State {
  const over = (level: 0 | 1) =>
    Object.entries(limits).some(([figure, levels]) => (newest[figure as Figure] ?? 0) >= levels[level]);
  if (over(1)) return 'bad';
  return over(0) ? 'warn' : 'good';
}

function perSecond(value: number | null): string {
  return value === null ? 'unknown' : `${short(Math.round(value * 10) / 10)}/s`;
}

function milliseconds(seconds: number | null): string {
  return seconds === null ? '–' : `${short(Math.round(seconds * 1000))} ms`;
}
