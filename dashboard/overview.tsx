import { useState } from 'preact/hooks';
import { type DeadLetter, type Group, get, readIntake, type Stats } from './api.ts';
import { FirstEvent } from './first-event.tsx';
import { Tail } from './live.tsx';
import { INTERVALS, type Interval, OverTime, RATE_WINDOW_MS, Rate, type Sample } from './over-time.tsx';
import { usePolling } from './polling.ts';
import { Outdated } from './problem.tsx';
import { toUser } from './route.ts';
import { Tiles } from './tiles.tsx';
import { utcDay } from './times.ts';
import { Top } from './top.tsx';

const STATS_MS = 2000;
const OTHERS_MS = 3000;

/** Kept while another view is looked at. */
let samples: Sample[] = [];

/** What is going on, at a glance. Each part asks for itself, so that one that fails says so and hides no other. */
export function OverviewPage() {
  const [interval, setInterval] = useState<Interval>('hour');
  const stats = usePolling(
    async () => {
      const found = await get<Stats>(`/events/stats?interval=${interval}`);
      const at = Date.now();
      samples = [...samples, { at, total: found.total }].filter((one) => at - one.at < RATE_WINDOW_MS);
      return { ...found, samples };
    },
    STATS_MS,
    interval,
  );
  const groups = usePolling(() => get<{ groups: Group[] }>('/consumer-groups'), OTHERS_MS);
  const letters = usePolling(
    () => get<{ deadLetters: DeadLetter[] }>('/dead-letters?waiting=true&limit=100'),
    OTHERS_MS,
  );
  const intake = usePolling(readIntake, OTHERS_MS);
  const { value } = stats;

  return (
    <>
      <h1>Overview</h1>
      {value?.total === 0 && <FirstEvent />}
      <Tiles stats={stats} groups={groups} letters={letters} intake={intake} />
      <Outdated polled={stats} />
      {value && value.total > 0 && (
        <div class={`columns ${stats.problem === undefined ? '' : 'stale'}`}>
          <section class="wide" aria-labelledby="over-time">
            <div class="heading">
              <h2 id="over-time">Events over time</h2>
              <a href="#/types">Event types</a>
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
            <OverTime stats={value} />
          </section>
          <section class="wide" aria-labelledby="rate">
            <h2 id="rate">Stored each second, last five minutes, while this page was open</h2>
            <Rate samples={value.samples} />
          </section>
          <Top
            title={`Most active users, ${utcDay(value.day)} (UTC)`}
            values={value.topUsers}
            href={toUser}
          />
          {value.topValues
            .filter(({ values }) => values.length > 0)
            .map(({ member, values }) => (
              <Top
                key={member}
                title={`Most frequent ${member}, ${utcDay(value.day)} (UTC)`}
                values={values}
                href={(text) => `#/search?${new URLSearchParams({ member, value: text })}`}
              />
            ))}
          <section class="wide" aria-labelledby="now">
            <div class="heading">
              <h2 id="now">Happening now</h2>
              <a href="#/live">Open live view</a>
            </div>
            <Tail most={8} />
          </section>
        </div>
      )}
    </>
  );
}
