import { useMemo } from 'preact/hooks';
import { request } from './api.ts';
import { Bars, Breakdown, type Series } from './breakdown.tsx';
import { Chips, ConditionFields, conditionIn } from './condition-fields.tsx';
import { conditionsIn, FIELDS, isSame, narrowed, toProperty } from './conditions.ts';
import { Copy } from './copy.tsx';
import { DifferencePanel, selectionIn, toSelection } from './difference.tsx';
import { rangeIn, shifted, timesOf, widened } from './explore-range.ts';
import { Export } from './export.tsx';
import { FilterForm, type Given, TimeFields } from './filter-form.tsx';
import { ExploreViews, PeriodChoice } from './period.tsx';
import { untilGone, usePolling } from './polling.ts';
import { Outdated, Problem } from './problem.tsx';
import { goTo } from './route.ts';
import { SavedViews } from './saved-views.tsx';
import { Results } from './search.tsx';
import { Suggested } from './suggested.tsx';

const POLL_MS = 30_000;
/** Counting millions of events takes a while. */
const PATIENCE_MS = 60_000;
const PAGE = '50';
/** On a phone the fields would fill the screen. */
const WIDE = '(width >= 44rem)';

/** Stored events over time and by their values. The address holds all that is chosen. */
export function ExplorePage({ parameters }: { parameters: URLSearchParams }) {
  const key = parameters.toString();
  const range = useMemo(() => rangeIn(parameters, Date.now()), [key]);
  const conditions = conditionsIn(parameters);
  const by = parameters.get('by') ?? '';
  const polled = usePolling((isGone) => readSeries(parameters, isGone), POLL_MS, key);
  const { value, problem } = polled;
  const isStale = problem !== undefined || value?.key !== key;
  const isComparing = parameters.get('compare') === 'previous';

  const show = (changes: Given) => goTo('explore', changed(parameters, changes));
  const selection = selectionIn(parameters);
  const showTimes = (times: [string, string][]) =>
    show({ last: '', different: '', ...Object.fromEntries(times) });
  function choose(from: number, to: number) {
    const chosen = { from: from * 1000, to: to * 1000 };
    if (selection.isChoosing) show({ different: toSelection(chosen) });
    else showTimes(timesOf(chosen));
  }
  function apply(given: Given) {
    const { from = '', to = '', by = '' } = given;
    const isSpan = from === '' && to === '';
    const next = changed(parameters, {
      from,
      to,
      by: toProperty(by.trim()),
      ...(!isSpan && { last: '' }),
    });
    const added = conditionIn(given);
    goTo('explore', added ? [...next, added] : next);
  }
  const events = new URLSearchParams([...conditions, ...timesOf(range), ['order', '-time']]);
  const inTimes = changed(parameters, { last: '', ...Object.fromEntries(timesOf(range)) });
  return (
    <>
      <h1>Explore</h1>
      <ExploreViews current="explore" />
      <div class="heading ranges">
        <PeriodChoice span={range.span} choose={(last) => show({ last, from: '', to: '', different: '' })} />
        <fieldset class="choices">
          <legend class="unseen">Move and compare</legend>
          <button type="button" onClick={() => showTimes(shifted(range, -1))}>
            Earlier
          </button>
          <button type="button" onClick={() => showTimes(shifted(range, 1))}>
            Later
          </button>
          <button type="button" onClick={() => showTimes(widened(range, Date.now()))}>
            Zoom out
          </button>
          <button
            type="button"
            aria-pressed={isComparing}
            title="with the period before"
            onClick={() => show({ compare: isComparing ? '' : 'previous' })}
          >
            Compare
          </button>
          <button
            type="button"
            aria-pressed={selection.isChoosing}
            title="Compares a part of the plot with the rest"
            onClick={() => show({ different: selection.isChoosing ? '' : toSelection(undefined) })}
          >
            What is different?
          </button>
        </fieldset>
      </div>
      <details class="fields" open={matchMedia(WIDE).matches}>
        <summary>Times, breakdown and filters</summary>
        <FilterForm
          values={{
            from: parameters.get('from') ?? '',
            to: parameters.get('to') ?? '',
            by,
            // One that was added leaves the fields.
            conditions: JSON.stringify(conditions),
          }}
          action="Apply"
          apply={apply}
        >
          <TimeFields />
          <Suggested
            label="Break down by"
            name="by"
            of={() => 'property'}
            also={FIELDS}
            placeholder="eventType"
          />
          <ConditionFields />
        </FilterForm>
      </details>
      <Chips
        conditions={conditions}
        remove={(removed) =>
          goTo(
            'explore',
            [...parameters].filter((one) => !isSame(one, removed)),
          )
        }
      />
      <section class="card" aria-label="Over time" aria-busy={isStale && problem === undefined}>
        {value?.key === key || problem === undefined ? (
          <Outdated polled={polled} />
        ) : (
          <Problem text={problem} />
        )}
        {value && (
          <div class={isStale ? 'stale' : undefined}>
            <Bars
              answer={value.answer}
              range={value.range}
              narrow={choose}
              narrowing={selection.isChoosing ? 'says what is different in it' : undefined}
              marked={selection.chosen}
            />
            <Breakdown
              answer={value.answer}
              range={value.range}
              conditions={conditions}
              toOnly={(condition) => `#/explore?${new URLSearchParams(narrowed([...parameters], condition))}`}
            />
          </div>
        )}
      </section>
      {selection.isChoosing && (
        <DifferencePanel
          parameters={parameters}
          range={range}
          total={value?.answer.total}
          conditions={conditions}
          chosen={selection.chosen}
          toView={(next) => `#/explore?${new URLSearchParams([...next])}`}
        />
      )}
      <div class="choices share">
        <Export query={events.toString()} />
        <Copy
          text={`${location.href.replace(/#.*/, '')}#/explore?${new URLSearchParams(inTimes)}`}
          title="Copy link"
        />
        <SavedViews address={`#/explore?${key}`} />
      </div>
      <h2>Events</h2>
      <Results key={key} query={`${events}&limit=${PAGE}`} />
    </>
  );
}

async function readSeries(parameters: URLSearchParams, isGone: AbortSignal) {
  const range = rangeIn(parameters, Date.now());
  const query = new URLSearchParams([
    ...conditionsIn(parameters),
    ...timesOf(range),
    ['interval', range.interval],
  ]);
  for (const name of ['by', 'compare']) if (parameters.get(name)) query.set(name, parameters.get(name)!);
  const signal = untilGone(isGone, PATIENCE_MS);
  const response = await request(`/events/stats/series?${query}`, { signal });
  return { answer: (await response.json()) as Series, range, key: parameters.toString() };
}

/** The address with other values; those that are empty leave it. */
export function changed(parameters: URLSearchParams, changes: Given): [string, string][] {
  const next = new URLSearchParams(parameters);
  for (const [name, value] of Object.entries(changes)) {
    if (value === '') next.delete(name);
    else next.set(name, value);
  }
  return [...next];
}
