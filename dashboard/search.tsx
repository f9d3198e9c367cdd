import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from './api.ts';
import { EventList } from './event-list.tsx';
import { useEvents } from './found-events.ts';
import { More } from './more.tsx';
import { usePolling } from './polling.ts';
import { Problem } from './problem.tsx';
import { goTo } from './route.ts';
import { ofField, toField, zone } from './times.ts';
import { many } from './words.ts';

const PAGE = 100;
const TYPES_MS = 60_000;

/** Stored events by user, type, time and payload. The address holds what is looked for. */
export function SearchPage({ parameters }: { parameters: URLSearchParams }) {
  const types = usePolling(() => get<{ totals: { eventType: string }[] }>('/events/stats?top=1'), TYPES_MS);
  const given = (name: string) => parameters.get(name) ?? '';

  const form = useRef<HTMLFormElement>(null);
  const [mistake, setMistake] = useState<string>();
  // The same search again is a search again.
  const [runs, setRuns] = useState(0);
  // The fields follow the address, also back and forward, and keep the focus.
  useEffect(() => {
    for (const field of form.current!.querySelectorAll<HTMLInputElement | HTMLSelectElement>('[name]')) {
      const isTime = field.name === 'from' || field.name === 'to';
      const value = field.name === 'order' ? orderIn(parameters) : given(field.name);
      field.value = isTime ? toField(value) : value;
    }
  }, [parameters, zone.value]);

  function search(event: SubmitEvent) {
    event.preventDefault();
    const filled = [...new FormData(form.current!)].map(([name, value]): [string, string] => {
      const text = String(value);
      return [name, name === 'from' || name === 'to' ? ofField(text) : text];
    });
    const problem = mistakeIn(new URLSearchParams(filled));
    setMistake(problem);
    if (problem !== undefined) return;
    setRuns(runs + 1);
    goTo('search', filled);
  }

  return (
    <>
      <h1>Search</h1>
      <form class="filters" ref={form} onSubmit={search}>
        <label>
          User
          <input name="userId" autocomplete="off" />
        </label>
        <label>
          Event type
          <input name="eventType" list="types" autocomplete="off" />
        </label>
        <datalist id="types">
          {types.value?.totals.map(({ eventType }) => (
            <option key={eventType} value={eventType} />
          ))}
        </datalist>
        <label>
          From
          <input name="from" type="datetime-local" step="1" />
        </label>
        <label>
          To
          <input name="to" type="datetime-local" step="1" />
        </label>
        <label>
          Payload property
          <input name="member" placeholder="productId" autocomplete="off" />
        </label>
        <label>
          … is
          <input name="value" autocomplete="off" />
        </label>
        <label>
          Order
          <select name="order">
            <option value="-time">Newest first</option>
            <option value="time">Oldest first</option>
            <option value="-stored">Latest to arrive first</option>
            <option value="stored">First to arrive first</option>
          </select>
        </label>
        <button type="submit">Search</button>
      </form>
      <Problem text={mistake} />
      <Results key={`${runs} ${parameters}`} query={toQuery(parameters)} />
    </>
  );
}

function Results({ query }: { query: string }) {
  const { events, isSearching, problem, more } = useEvents(query);
  const isNone = events.length === 0 && more === undefined;
  const found = isNone ? 'No events match. Ids, types and values are exact.' : many(events.length, 'event');
  const said = problem === undefined ? `${found}${more ? ' so far' : ''}` : '';
  return (
    <section aria-label="Found" aria-busy={isSearching}>
      <Problem text={problem} />
      <p role="status" class="hint">
        {isSearching ? 'Searching…' : said}
      </p>
      <EventList events={events} withDate />
      <More more={more} isLoading={isSearching} />
    </section>
  );
}

function mistakeIn(parameters: URLSearchParams): string | undefined {
  const given = (name: string) => parameters.get(name) ?? '';
  if (given('from') !== '' && given('to') !== '' && given('from') >= given('to')) {
    return 'From must be before To.';
  }
  if (given('value') !== '' && given('member') === '') return 'Say which payload property has this value.';
  return undefined;
}

/** The newest first by their own time, unless the address says otherwise; older addresses have names of before. */
function orderIn(parameters: URLSearchParams): string {
  const order = parameters.get('order') || '-time';
  return { asc: 'stored', desc: '-stored' }[order] ?? order;
}

/** What the API takes: times with a zone, and the member by its name. */
function toQuery(parameters: URLSearchParams): string {
  const query = new URLSearchParams({ limit: String(PAGE), order: orderIn(parameters) });
  for (const name of ['userId', 'eventType'])
    if (parameters.get(name)) query.set(name, parameters.get(name)!);
  for (const name of ['from', 'to']) {
    const time = new Date(parameters.get(name) ?? '');
    if (!Number.isNaN(time.getTime())) query.set(name, time.toISOString());
  }
  const member = parameters.get('member');
  if (member) query.set(`payload.${member}`, parameters.get('value') ?? '');
  return query.toString();
}
