import { useEffect, useMemo } from 'preact/hooks';
import { Feed } from './feed.ts';
import { FilterForm, type Given, PayloadFields, TypeField, UserField } from './filter-form.tsx';
import { FirstEvent } from './first-event.tsx';
import { OutcomeList } from './outcome-list.tsx';
import { type Filter, NO_FILTER, OUTCOMES, type Outcome } from './outcomes.ts';
import { goTo } from './route.ts';
import { faults, isSilent, isWell } from './status.tsx';
import { count, many } from './words.ts';

const MOST_SHOWN = 1000;
const FILTERS = Object.keys(NO_FILTER) as (keyof Filter)[];
/** In the address, where no outcome is chosen. */
const NONE = 'none';

/** The newest events as they come, with what became of each. The address holds what is looked for. */
export function LivePage({ parameters }: { parameters: URLSearchParams }) {
  const filter = { ...NO_FILTER };
  for (const name of FILTERS) filter[name] = parameters.get(name) ?? '';
  const key = JSON.stringify(filter);
  const asked = parameters.getAll('outcome');
  const outcomes = asked.length === 0 ? OUTCOMES : OUTCOMES.filter((one) => asked.includes(one));

  function show(chosen: readonly Outcome[], wanted: Given) {
    const isAll = chosen.length === OUTCOMES.length;
    const names = chosen.length === 0 ? [NONE] : chosen;
    goTo('live', [
      ...FILTERS.map((name): [string, string] => [name, wanted[name] ?? '']),
      ...(isAll ? [] : names).map((name): [string, string] => ['outcome', name]),
    ]);
  }
  function toggle(outcome: Outcome) {
    const isShown = outcomes.includes(outcome);
    const chosen = OUTCOMES.filter((one) => (one === outcome ? !isShown : outcomes.includes(one)));
    show(chosen, { ...filter });
  }
  return (
    <>
      <h1>Live</h1>
      <FilterForm values={{ ...filter }} action="Filter" apply={(given) => show(outcomes, given)}>
        <UserField />
        <TypeField />
        <PayloadFields />
      </FilterForm>
      <Stream key={key} filter={filter} outcomes={outcomes} toggle={toggle} />
    </>
  );
}

interface StreamProps {
  filter: Filter;
  outcomes: readonly Outcome[];
  toggle(outcome: Outcome): void;
}

/** All outcomes in one list, of which some are chosen. */
function Stream({ filter, outcomes, toggle }: StreamProps) {
  const feed = useFeed(filter, MOST_SHOWN, true);
  const { entries, dropped, held, isFull } = feed.view(outcomes);
  const isPaused = feed.isPaused.value;
  const isFiltered = FILTERS.some((name) => filter[name] !== '');
  return (
    <>
      <div class="live-bar">
        <State feed={feed} held={held} isFull={isFull} />
        <button type="button" aria-pressed={isPaused} onClick={() => feed.pause(!isPaused)}>
          {isPaused ? 'Resume' : 'Pause'}
        </button>
        <fieldset class="choices chips">
          <legend class="unseen">Outcomes to show</legend>
          {OUTCOMES.map((outcome) => (
            <button
              key={outcome}
              type="button"
              class={`chip of-${outcome}`}
              aria-pressed={outcomes.includes(outcome)}
              onClick={() => toggle(outcome)}
            >
              {outcome} <span class="number">{count(feed.lanes.value[outcome].total)}</span>
            </button>
          ))}
        </fieldset>
      </div>
      {feed.othersProblem.value && feed.state.value.state === 'live' && (
        <p class="problem">Only stored events are shown. {feed.othersProblem.value}</p>
      )}
      {entries.length === 0 && <Nothing feed={feed} outcomes={outcomes} isFiltered={isFiltered} />}
      <OutcomeList entries={entries} />
      {dropped > 0 && (
        <p class="hint">
          {many(dropped, 'older event')} left this list. <a href="#/search">Search</a> finds all that are
          stored.
        </p>
      )}
      <p class="hint">
        Newest arrival first. Duplicates and rejected events are those of this instance, and dead letters
        those of all.
        {isFiltered &&
          ' Events that do not say their user, type or payload, such as dead letters, never match a filter.'}
      </p>
    </>
  );
}

function Nothing({ feed, outcomes, isFiltered }: Omit<StreamProps, 'filter' | 'toggle'> & NothingProps) {
  if (outcomes.length === 0) return <p class="empty">No outcome is chosen. Choose at least one above.</p>;
  if (!feed.isFilled.value) return null;
  if (!isFiltered && outcomes.includes('stored')) return <FirstEvent />;
  const what = outcomes.length === OUTCOMES.length ? 'No events match' : `None: ${outcomes.join(', ')}`;
  return <p class="empty">{what} so far. Those that come appear here at once.</p>;
}

interface NothingProps {
  feed: Feed;
  isFiltered: boolean;
}

/** A few stored events, growing at the top, in the order in which they are stored. */
export function Tail({ most }: { most: number }) {
  const feed = useFeed(NO_FILTER, most, false);
  const { entries, held, isFull } = feed.view(['stored']);
  return (
    <>
      <State feed={feed} held={held} isFull={isFull} />
      <OutcomeList entries={entries} isPlain />
    </>
  );
}

function useFeed(filter: Filter, most: number, hasOthers: boolean): Feed {
  const feed = useMemo(() => new Feed({ filter, most, hasOthers }), []);
  useEffect(() => feed.start(), []);
  return feed;
}

function State({ feed, held, isFull }: { feed: Feed; held: number; isFull: boolean }) {
  const isPaused = feed.isPaused.value;
  const isLive = feed.state.value.state === 'live' && isWell.value;
  const waiting = `Paused, ${many(held, 'event')} waiting${isFull ? ', and more at the service' : ''}`;
  return (
    <p class={`state ${isLive && !isPaused ? 'live' : ''}`} role="status">
      {isPaused ? waiting : stateOf(feed)}
    </p>
  );
}

function stateOf({ state: { value } }: Feed): string {
  const { state, why } = value;
  if (state === 'refused') return `Not connected: ${why}`;
  if (state === 'connecting') return 'Connecting…';
  if (state === 'waiting') return 'Connection lost; trying again from where it ended';
  if (isWell.value) return 'Live';
  if (isSilent.value) return 'The service does not answer: nothing new is known';
  if (faults.value === undefined) return 'Connected; asking whether events are stored…';
  return 'Connected, but events may not be stored now: see above';
}
