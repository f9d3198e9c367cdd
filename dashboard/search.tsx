import { useState } from 'preact/hooks';
import { Chips } from './condition-fields.tsx';
import { conditionsIn, FIELDS, isSame } from './conditions.ts';
import { EventList } from './event-list.tsx';
import { FilterForm, type Given, PayloadFields, TimeFields, TypeField, UserField } from './filter-form.tsx';
import { useEvents } from './found-events.ts';
import { More } from './more.tsx';
import { Problem } from './problem.tsx';
import { goTo } from './route.ts';
import { many } from './words.ts';

const PAGE = 100;

/** Stored events by user, type, time and payload. The address holds what is looked for. */
export function SearchPage({ parameters }: { parameters: URLSearchParams }) {
  // The same search again is a search again.
  const [runs, setRuns] = useState(0);

  // What the form has no fields for, as where somebody comes from Explore.
  const others = conditionsIn(parameters).filter(([name]) => !FIELDS.includes(name));

  function search(given: Given) {
    setRuns(runs + 1);
    goTo('search', [...Object.entries(given), ...others]);
  }

  return (
    <>
      <h1>Search</h1>
      <FilterForm
        values={{ ...Object.fromEntries(parameters), order: orderIn(parameters) }}
        action="Search"
        apply={search}
      >
        <UserField />
        <TypeField />
        <TimeFields />
        <PayloadFields />
        <label>
          Order
          <select name="order">
            <option value="-time">Newest first</option>
            <option value="time">Oldest first</option>
            <option value="-stored">Latest to arrive first</option>
            <option value="stored">First to arrive first</option>
          </select>
        </label>
      </FilterForm>
      <Chips
        conditions={others}
        remove={(removed) =>
          goTo(
            'search',
            [...parameters].filter((one) => !isSame(one, removed)),
          )
        }
      />
      <Results key={`${runs} ${parameters}`} query={toQuery(parameters)} />
    </>
  );
}

/** What matches, page by page. */
export function Results({ query }: { query: string }) {
  const { events, isSearching, problem, more } = useEvents(query);
  const isNone = events.length === 0 && more === undefined;
  const found = isNone
    ? 'No events match. Ids, types and values are exact: check the spelling, remove a filter, or choose a longer time.'
    : many(events.length, 'event');
  const said = problem === undefined ? `${found}${more ? ' so far' : ''}` : '';
  return (
    <section aria-label="Found" aria-busy={isSearching}>
      <Problem text={problem} />
      <p role="status" class="hint">
        {isSearching ? 'Searching…' : said}
      </p>
      <EventList events={events} withDate expands />
      <More more={more} isLoading={isSearching} />
    </section>
  );
}

/** The newest first by their own time, unless the address says otherwise; older addresses have names of before. */
function orderIn(parameters: URLSearchParams): string {
  const order = parameters.get('order') || '-time';
  return { asc: 'stored', desc: '-stored' }[order] ?? order;
}

/** What the API takes: times with a zone, and the member by its name. */
function toQuery(parameters: URLSearchParams): string {
  const query = new URLSearchParams({ limit: String(PAGE), order: orderIn(parameters) });
  for (const [name, value] of conditionsIn(parameters)) query.append(name, value);
  for (const name of ['from', 'to']) {
    const time = new Date(parameters.get(name) ?? '');
    if (!Number.isNaN(time.getTime())) query.set(name, time.toISOString());
  }
  const member = parameters.get('member');
  if (member) query.append(`payload.${member}`, parameters.get('value') ?? '');
  return query.toString();
}
