import { useMemo } from 'preact/hooks';
import { request } from './api.ts';
import { Chips, ConditionFields, conditionIn } from './condition-fields.tsx';
import { type Condition, isSame, said } from './conditions.ts';
import { Exact } from './exact.tsx';
import { changed } from './explore.tsx';
import { rangeIn, timesOf } from './explore-range.ts';
import { FilterForm, type Given, TimeFields } from './filter-form.tsx';
import { ExploreViews, PeriodChoice } from './period.tsx';
import { untilGone, useReading } from './polling.ts';
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

interface AskedStep {
  eventType: string;
  conditions: Condition[];
}

/** As the address and the API have them: `step=LOGIN&step=LOGOUT&step2.payload.price[gte]=10`. */
function stepsIn(parameters: URLSearchParams): AskedStep[] {
  return parameters.getAll('step').map((eventType, at) => {
    const prefix = `step${at + 1}.`;
    const own = [...parameters].filter(([name]) => name.startsWith(prefix));
    return { eventType, conditions: own.map(([name, value]) => [name.slice(prefix.length), value]) };
  });
}

function toParameters(steps: readonly AskedStep[]): Condition[] {
  return [
    ...steps.map(({ eventType }): Condition => ['step', eventType]),
    ...steps.flatMap(({ conditions }, at) =>
      conditions.map(([name, value]): Condition => [`step${at + 1}.${name}`, value]),
    ),
  ];
}

/** What the fields say, with the conditions there are and the one that is added. */
function stepsOf(given: Given, before: readonly AskedStep[]): AskedStep[] {
  const [name = '', value = ''] = conditionIn(given) ?? [];
  const added: Condition[] = name === '' ? [] : [[name.replace(/^(?!payload\.)/, 'payload.'), value]];
  return STEPS.map((label, at) => ({
    eventType: (given[`step${at}`] ?? '').trim(),
    conditions: [...(before[at]?.conditions ?? []), ...(given.of === label ? added : [])],
  })).filter(({ eventType }) => eventType !== '');
}

function mistakeIn(given: Given): string | undefined {
  const of = given[`step${STEPS.indexOf(given.of!)}`] ?? '';
  return of.trim() === '' && conditionIn(given) !== undefined
    ? `Say which event type ${given.of} is: the filter is for its events.`
    : undefined;
}

/** How many users get how far. The address holds all that is chosen. */
export function FunnelPage({ parameters }: { parameters: URLSearchParams }) {
  const key = parameters.toString();
  const range = useMemo(() => rangeIn(parameters, Date.now()), [key]);
  const steps = stepsIn(parameters);
  const within = parameters.get('within') ?? String(DAY_S);
  const others = [...parameters].filter(([name]) => !name.startsWith('step'));

  function apply(given: Given) {
    const { from = '', to = '', within = '' } = given;
    const isSpan = from === '' && to === '';
    const next = changed(new URLSearchParams(others), { from, to, within, ...(!isSpan && { last: '' }) });
    goTo(PATH, [...toParameters(stepsOf(given, steps)), ...next]);
  }
  function remove(from: number, condition: Condition) {
    const left = steps.map(({ eventType, conditions }, at) => ({
      eventType,
      conditions: conditions.filter((one) => at !== from || !isSame(one, condition)),
    }));
    goTo(PATH, [...toParameters(left), ...others]);
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
          ...Object.fromEntries(steps.map(({ eventType }, at) => [`step${at}`, eventType])),
          of: STEPS[0]!,
          // One that was added leaves the fields.
          conditions: JSON.stringify(steps),
          within,
          from: parameters.get('from') ?? '',
          to: parameters.get('to') ?? '',
        }}
        action="Apply"
        apply={apply}
        mistake={mistakeIn}
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
        <label>
          Filter for
          <select name="of">
            {STEPS.map((label) => (
              <option key={label}>{label}</option>
            ))}
          </select>
        </label>
        <ConditionFields also={[]} />
      </FilterForm>
      {steps.map(({ conditions }, at) => (
        <Chips
          key={STEPS[at]}
          of={STEPS[at]!}
          conditions={conditions}
          remove={(removed) => remove(at, removed)}
        />
      ))}
      {steps.length < LEAST_STEPS ? (
        <p class="empty">
          Choose two to five event types: how many users come from the first to the next is shown here.
        </p>
      ) : (
        <Steps
          key={key}
          asked={steps}
          query={new URLSearchParams([
            ...toParameters(steps),
            ['withinSeconds', within],
            ...timesOf(range),
          ]).toString()}
        />
      )}
    </>
  );
}

async function readFunnel(query: string, isGone: AbortSignal): Promise<Funnel> {
  const signal = untilGone(isGone, PATIENCE_MS);
  return (await request(`/events/stats/funnel?${query}`, { signal })).json() as Promise<Funnel>;
}

function Steps({ asked, query }: { asked: readonly AskedStep[]; query: string }) {
  const { value: funnel, problem } = useReading((isGone) => readFunnel(query, isGone), query);
  if (funnel === undefined) {
    return problem === undefined ? <p class="hint">Counting…</p> : <Problem text={problem} />;
  }
  const { steps } = funnel;
  const [first, last] = [steps[0]!, steps.at(-1)!];
  if (first.users === 0) {
    return (
      <p class="empty">
        No user has an event of the type <Exact text={first.eventType} />
        {asked[0]!.conditions.length > 0 && ' that its filters find'} in this time. Choose a longer period, or
        another type: types are exact.
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
                {asked[at]!.conditions.map((condition) => (
                  <span key={condition.join('=')}>, {said(condition).join(' ').trim()}</span>
                ))}
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
