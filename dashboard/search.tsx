import { get } from './api.ts';
import { EventList } from './event-list.tsx';
import { useEvents } from './found-events.ts';
import { usePolling } from './polling.ts';
import { Problem } from './problem.tsx';
import { many } from './words.ts';

const PAGE = 100;
const TYPES_MS = 60_000;

/** Stored events by user, type, time and payload. The address holds what is looked for. */
export function SearchPage({ parameters }: { parameters: URLSearchParams }) {
  const types = usePolling(() => get<{ totals: { eventType: string }[] }>('/events/stats?top=1'), TYPES_MS);
  const given = (name: string) => parameters.get(name) ?? '';

  function search(event: SubmitEvent) {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const filled = [...form]
      .filter(([, value]) => value !== '')
      .map(([name, value]) => [name, String(value).trim()]);
    location.hash = `#/search?${new URLSearchParams(filled)}`;
  }

  return (
    <>
      <h1>Search</h1>
      <form class="filters" onSubmit={search}>
        <label>
          User
          <input name="userId" defaultValue={given('userId')} autocomplete="off" />
        </label>
        <label>
          Event type
          <input name="eventType" list="types" defaultValue={given('eventType')} autocomplete="off" />
        </label>
        <datalist id="types">
          {types.value?.totals.map(({ eventType }) => (
            <option key={eventType} value={eventType} />
          ))}
        </datalist>
        <label>
          From
          <input name="from" type="datetime-local" step="1" defaultValue={given('from')} />
        </label>
        <label>
          To
          <input name="to" type="datetime-local" step="1" defaultValue={given('to')} />
        </label>
        <label>
          Payload member
          <input name="member" defaultValue={given('member')} placeholder="productId" autocomplete="off" />
        </label>
        <label>
          … is
          <input name="value" defaultValue={given('value')} autocomplete="off" />
        </label>
        <label>
          Order
          <select name="order">
            <option value="desc">Newest first</option>
            <option value="asc" selected={given('order') === 'asc'}>
              Oldest first
            </option>
          </select>
        </label>
        <button type="submit">Search</button>
      </form>
      <Results query={toQuery(parameters)} />
    </>
  );
}

function Results({ query }: { query: string }) {
  const { events, isSearching, problem, more } = useEvents(query);
  return (
    <section aria-label="Found" aria-busy={isSearching}>
      <Problem text={problem} />
      <p role="status" class="hint">
        {isSearching ? 'Searching…' : `${many(events.length, 'event')}${more ? ' so far' : ''}`}
      </p>
      <EventList events={events} withDate />
      {more && (
        <button type="button" onClick={more} disabled={isSearching}>
          Search on
        </button>
      )}
    </section>
  );
}

/** What the API takes: times with a zone, and the member by its name. */
function toQuery(parameters: URLSearchParams): string {
  const query = new URLSearchParams({ limit: String(PAGE), order: parameters.get('order') ?? 'desc' });
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
