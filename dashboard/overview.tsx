import { useRef, useState } from 'preact/hooks';
import {
  type DeadLetter,
  type Group,
  get,
  type Readiness,
  refused,
  type Stats,
  type ValueCount,
} from './api.ts';
import { HUES, hue } from './event-list.tsx';
import { Tail } from './live.tsx';
import { Plot, type Series } from './plot.tsx';
import { usePolling } from './polling.ts';
import { Problem } from './problem.tsx';
import { toUser } from './route.ts';
import { count, many, short } from './words.ts';

const POLL_MS = 2000;
const RATE_WINDOW_MS = 5 * 60_000;
/** Over so many polls the present rate is taken. */
const RATE_POLLS = 5;
const MOST_SERIES = HUES;
const INTERVALS = {
  hour: { title: 'Last 24 hours', ms: 3_600_000, shown: 24 },
  day: { title: 'Last 30 days', ms: 86_400_000, shown: 30 },
};

type Interval = keyof typeof INTERVALS;

interface Sample {
  at: number;
  total: number;
}

interface Seen {
  stats: Stats;
  groups: Group[];
  waiting: DeadLetter[];
  refusals: [code: string, requests: number][];
  readiness: Readiness;
  samples: Sample[];
}

/** What is going on, at a glance. */
export function OverviewPage() {
  const [interval, setInterval] = useState<Interval>('hour');
  const samples = useRef<Sample[]>([]);
  const { value, problem } = usePolling(
    async (): Promise<Seen> => {
      const [stats, { groups }, { deadLetters }, readiness, refusals] = await Promise.all([
        get<Stats>(`/events/stats?interval=${interval}`),
        get<{ groups: Group[] }>('/consumer-groups'),
        get<{ deadLetters: DeadLetter[] }>('/dead-letters?waiting=true&limit=100'),
        get<Readiness>('/readyz'),
        refused(),
      ]);
      const at = Date.now();
      samples.current = [...samples.current, { at, total: stats.total }].filter(
        (one) => at - one.at < RATE_WINDOW_MS,
      );
      return { stats, groups, waiting: deadLetters, refusals, readiness, samples: samples.current };
    },
    POLL_MS,
    interval,
  );

  return (
    <>
      <h1>Overview</h1>
      <Problem text={problem} />
      {value && <Health readiness={value.readiness} />}
      {value && <Tiles seen={value} />}
      {value && value.stats.total === 0 && <Empty />}
      {value && value.stats.total > 0 && (
        <div class="columns">
          <section class="wide" aria-labelledby="over-time">
            <div class="heading">
              <h2 id="over-time">Events over time</h2>
              <fieldset class="choices">
                <legend class="unseen">Period</legend>
                {(Object.keys(INTERVALS) as Interval[]).map((one) => (
                  <button
                    key={one}
                    type="button"
                    aria-pressed={one === interval}
                    onClick={() => setInterval(one)}
                  >
                    {INTERVALS[one].title}
                  </button>
                ))}
              </fieldset>
            </div>
            <OverTime stats={value.stats} interval={interval} />
          </section>
          <section class="wide" aria-labelledby="rate">
            <h2 id="rate">Stored each second, last five minutes</h2>
            <Rate samples={value.samples} />
          </section>
          <Top title="Most active users today" values={value.stats.topUsers} href={toUser} />
          {value.stats.topValues
            .filter(({ values }) => values.length > 0)
            .map(({ member, values }) => (
              <Top
                key={member}
                title={`Most frequent ${member} today`}
                values={values}
                href={(text) => `#/search?${new URLSearchParams({ member, value: text })}`}
              />
            ))}
          <section class="wide" aria-labelledby="now">
            <div class="heading">
              <h2 id="now">Happening now</h2>
              <a href="#/live">All of it</a>
            </div>
            <Tail query="" most={8} />
          </section>
        </div>
      )}
    </>
  );
}

const PARTS = { log: 'The log', store: 'The store', consumer: 'Processing' } as const;

function Health({ readiness }: { readiness: Readiness }) {
  const faults = (Object.keys(PARTS) as (keyof typeof PARTS)[]).filter((part) => !readiness[part].ok);
  if (faults.length === 0) {
    return (
      <p class="health good">
        <strong>All is well.</strong> Events are taken, stored and counted.
      </p>
    );
  }
  return (
    <div class="health bad">
      {faults.map((part) => (
        <p key={part}>
          <strong>{PARTS[part]} does not work just now:</strong> {readiness[part].reason}. It is tried again
          until it does; nothing that was accepted is lost.
        </p>
      ))}
    </div>
  );
}

function Tiles({ seen: { stats, groups, waiting, refusals, samples } }: { seen: Seen }) {
  const lags = groups.flatMap(({ partitions }) => partitions.map(({ lag }) => lag));
  const lag = lags.includes(null) ? undefined : lags.reduce<number>((sum, one) => sum + one!, 0);
  const duplicates = groups
    .flatMap(({ partitions }) => partitions)
    .reduce((sum, one) => sum + one.duplicates, 0);
  const users = stats.activeUsers.find(({ day }) => day === stats.day)?.users ?? 0;
  return (
    <dl class="tiles">
      <Tile
        name="Events stored"
        value={count(stats.total)}
        note={`each once; ${many(duplicates, 'repetition')} left out`}
      />
      <Tile name="Now" value={`${short(rateOf(samples))}/s`} note="stored each second" />
      <Tile name="Users today" value={count(users)} note="different ones, since midnight UTC" />
      <Tile
        name="Waiting"
        value={lag === undefined ? '?' : count(lag)}
        note={
          lag === undefined
            ? 'the log cannot be asked'
            : lag === 0
              ? 'all that was accepted is stored'
              : 'accepted, to be stored'
        }
        href="#/groups"
      />
      <Tile
        name="Refused"
        value={count(refusals.reduce((sum, [, requests]) => sum + requests, 0))}
        note={refusals.length === 0 ? 'no request was wrong' : `requests, most as ${refusals[0]![0]}`}
      />
      <Tile
        name="Dead letters"
        value={waiting.length === 100 ? '100+' : count(waiting.length)}
        note={waiting.length === 0 ? 'nothing was set aside' : 'set aside, to be looked at'}
        href="#/dead-letters"
        isBad={waiting.length > 0}
      />
    </dl>
  );
}

function Tile(props: { name: string; value: string; note: string; href?: string; isBad?: boolean }) {
  const { name, value, note, href, isBad } = props;
  return (
    <div class={isBad ? 'bad' : undefined}>
      <dt>{href ? <a href={href}>{name}</a> : name}</dt>
      <dd>
        <strong>{value}</strong> <span class="hint">{note}</span>
      </dd>
    </div>
  );
}

function Empty() {
  return (
    <section class="empty">
      <h2>No event yet</h2>
      <p>
        <a href="#/send">Send the first one</a>, or let <code>npm run demo</code> play a small shop with users
        who log in, look at products and log out.
      </p>
    </section>
  );
}

function OverTime({ stats: { counts, totals }, interval }: { stats: Stats; interval: Interval }) {
  const { ms, shown, title } = INTERVALS[interval];
  const last = Math.floor(Date.now() / ms) * ms;
  const starts = Array.from({ length: shown }, (_, at) => last - (shown - 1 - at) * ms);
  const byStart = new Map(counts.map(({ start, events }) => [Date.parse(start), events]));
  const types = totals
    .map(({ eventType }) => eventType)
    .map((label) => ({ label, sum: counts.reduce((sum, { events }) => sum + (events[label] ?? 0), 0) }))
    .sort((a, b) => b.sum - a.sum)
    .slice(0, MOST_SERIES);
  const hues = distinctHues(types.map(({ label }) => label));
  const series: Series[] = types.map(({ label }) => ({
    label,
    hue: hues.get(label)!,
    values: starts.map((start) => byStart.get(start)?.[label] ?? 0),
  }));
  const said = types.map(({ label, sum }) => `${count(sum)} ${label}`).join(', ');
  return (
    <Plot
      summary={`${title}: ${said || 'no events'}.`}
      times={starts.map((start) => start / 1000)}
      series={series}
    />
  );
}

/** Each its own colour, and another only where that is taken. */
function distinctHues(names: readonly string[]): Map<string, number> {
  const taken = new Map<string, number>();
  for (const name of names) {
    let next = hue(name);
    while ([...taken.values()].includes(next)) next = (next + 1) % HUES;
    taken.set(name, next);
  }
  return taken;
}

function Rate({ samples }: { samples: Sample[] }) {
  const rates = samples.slice(1).map(({ at, total }, before) => {
    const earlier = samples[before]!;
    return ((total - earlier.total) / (at - earlier.at)) * 1000;
  });
  const times = samples.slice(1).map(({ at }) => at / 1000);
  if (rates.length < 2) return <p class="hint">Measured from now on…</p>;
  const summary = `Now ${short(rateOf(samples))} a second, at most ${short(Math.round(Math.max(...rates)))}.`;
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

function rateOf(samples: readonly Sample[]): number {
  const recent = samples.slice(-RATE_POLLS - 1);
  const [first, last] = [recent[0], recent.at(-1)];
  if (!first || !last || last.at === first.at) return 0;
  const rate = ((last.total - first.total) / (last.at - first.at)) * 1000;
  return rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate);
}

function Top({ title, values, href }: { title: string; values: ValueCount[]; href(value: string): string }) {
  const most = values[0]?.events ?? 1;
  return (
    <section>
      <h2>{title}</h2>
      {values.length === 0 && <p class="hint">None today.</p>}
      <ol class="top">
        {values.map(({ value, events }) => (
          <li key={value}>
            <a href={href(value)}>{value}</a>
            <meter min={0} max={most} value={events} aria-hidden="true" />
            <span class="number">{count(events)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
