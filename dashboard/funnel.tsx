import { useMemo } from 'preact/hooks';
import { request } from './api.ts';
import { Exact } from './exact.tsx';
import { changed } from './explore.tsx';
import { rangeIn, timesOf } from './explore-range.ts';
import { FilterForm, type Given, TimeFields } from './filter-form.tsx';
import { ExploreViews, PeriodChoice } from './period.tsx';
import { useReading } from './polling.ts';
import { Problem } from './problem.tsx';
import { goTo } from './route.ts';
import { Suggested } from './suggested.tsx';
import { count, many, passed, percent } from './words.ts';

/** As `GET /events/stats/funnel` answers. */
interface Funnel {
  steps: {
    eventType: string;
    users: number;
    share: number | null;
    shareOfPrevious: number | null;
    medianMs: number | null;
  }[];
}

const STEPS = ['Step 1', 'Step 2', 'Step 3', 'Step 4', 'Step 5'];
const LEAST_STEPS = 2;
const DAY_S = 86_400;
const WITHIN: [seconds: number, title: string][] = [
  [600, '10 minutes'],
  [3600, '1 hour'],
  [DAY_S, '1 day'],
  [7 * DAY_S, '7 days'],
  [30 * DAY_S, '30 days'],
];
/** Counting millions of events takes a while. */
const PATIENCE_MS = 60_000;
const PATH = 'explore/funnel';

/** How many users get how far. The address holds all that is chosen. */
export function FunnelPage({ parameters }: { parameters: URLSearchParams }) {
  const key = parameters.toString();
  const range = useMemo(() => rangeIn(parameters, Date.now()), [key]);
  const steps = parameters.getAll('step');
  const within = parameters.get('within') ?? String(DAY_S);
  const others = [...parameters].filter(([name]) => name !== 'step');

  function apply(given: Given) {
    const { from = '', to = '', within = '' } = given;
    const isSpan = from === '' && to === '';
    const chosen = STEPS.map((_, at) => (given[`step${at}`] ?? '').trim()).filter((step) => step !== '');
    const next = changed(new URLSearchParams(others), { from, to, within, ...(!isSpan && { last: '' }) });
    goTo(PATH, [...chosen.map((step): [string, string] => ['step', step]), ...next]);
  }
  return (
    <>
      <h1>Funnel</h1>
      <ExploreViews current={PATH} />
      <div class="heading ranges">
        <PeriodChoice
          span={range.span}
          choose={(last) => goTo(PATH, changed(parameters, { last, from: '', to: '' }))}
        />
      </div>
      <FilterForm
        values={{
          ...Object.fromEntries(steps.map((step, at) => [`step${at}`, step])),
          within,
          from: parameters.get('from') ?? '',
          to: parameters.get('to') ?? '',
        }}
        action="Apply"
        apply={apply}
      >
        {STEPS.map((label, at) => (
          <Suggested
            key={label}
            label={label}
            name={`step${at}`}
            of={() => 'eventType'}
            placeholder={at < LEAST_STEPS ? 'event type' : 'none'}
          />
        ))}
        <label>
          Within
          <select name="within">
            {WITHIN.map(([seconds, title]) => (
              <option key={seconds} value={seconds}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <TimeFields />
      </FilterForm>
      {steps.length < LEAST_STEPS ? (
        <p class="empty">
          Choose two to five event types: how many users come from the first to the next is shown here.
        </p>
      ) : (
        <Steps
          key={key}
          query={new URLSearchParams([
            ...steps.map((step) => ['step', step]),
            ['withinSeconds', within],
            ...timesOf(range),
          ]).toString()}
        />
      )}
    </>
  );
}

async function readFunnel(query: string): Promise<Funnel> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return (await request(`/events/stats/funnel?${query}`, { signal })).json() as Promise<Funnel>;
}

function Steps({ query }: { query: string }) {
  const { value: funnel, problem } = useReading(() => readFunnel(query), query);
  if (funnel === undefined) {
    return problem === undefined ? <p class="hint">Counting…</p> : <Problem text={problem} />;
  }
  const { steps } = funnel;
  const [first, last] = [steps[0]!, steps.at(-1)!];
  if (first.users === 0) {
    return (
      <p class="empty">
        No user has an event of the type <Exact text={first.eventType} /> in this time. Choose a longer
        period, or another type: types are exact.
      </p>
    );
  }
  return (
    <section class="card" aria-label="Steps">
      <p class="lead" role="status">
        {many(first.users, 'user')}, of whom {count(last.users)} ({percent(last.share!)}) come to the last
        step
      </p>
      <table class="texts funnel">
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col" class="number">
              Users
            </th>
            <th scope="col" class="number">
              Of all
            </th>
            <th scope="col" class="number">
              Of the step before
            </th>
            <th scope="col" class="number">
              Median time
            </th>
          </tr>
        </thead>
        <tbody>
          {steps.map(({ eventType, users, share, shareOfPrevious, medianMs }, at) => (
            <tr key={STEPS[at]}>
              <td data-name="Step">
                {at + 1}. <Exact text={eventType} />
                <meter min={0} max={1} value={share!} aria-hidden="true" />
              </td>
              <td data-name="Users" class="number">
                {count(users)}
              </td>
              <td data-name="Of all" class="number">
                {percent(share!)}
              </td>
              <td data-name="Of the step before" class="number">
                {shareOfPrevious === null ? '–' : percent(shareOfPrevious)}
              </td>
              <td data-name="Median time" class="number">
                {medianMs === null ? '–' : passed(medianMs)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
