import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { UserEvent } from './api.ts';
import { EventList } from './event-list.tsx';
import { Feed, type Row } from './feed.ts';
import { goTo } from './route.ts';
import { faults, isWell } from './status.tsx';
import { many } from './words.ts';

const MOST_SHOWN = 1000;
const PAYLOAD = 'payload.';

/** The newest events as they come. The address holds what is looked for. */
export function LivePage({ parameters }: { parameters: URLSearchParams }) {
  const form = useRef<HTMLFormElement>(null);
  const query = toQuery(parameters);
  useEffect(() => {
    for (const field of form.current!.querySelectorAll('input'))
      field.value = parameters.get(field.name) ?? '';
  }, [query]);
  function apply(event: SubmitEvent) {
    event.preventDefault();
    const given = [...new FormData(form.current!)].map(([name, value]): [string, string] => [
      name,
      String(value),
    ]);
    goTo('live', given);
  }
  return (
    <>
      <h1>Live</h1>
      <form class="filters" ref={form} onSubmit={apply}>
        <label>
          User
          <input name="userId" autocomplete="off" />
        </label>
        <label>
          Event type
          <input name="eventType" autocomplete="off" placeholder="PRODUCT_VIEW" />
        </label>
        <label>
          Payload property
          <input name="member" autocomplete="off" placeholder="productId" />
        </label>
        <label>
          … is
          <input name="value" autocomplete="off" />
        </label>
        <button type="submit">Filter</button>
      </form>
      <Tail key={query} query={query} most={MOST_SHOWN} withPause />
    </>
  );
}

function toQuery(parameters: URLSearchParams): string {
  const query = new URLSearchParams();
  for (const name of ['userId', 'eventType'])
    if (parameters.get(name)) query.set(name, parameters.get(name)!);
  const member = parameters.get('member');
  if (member) query.set(`${PAYLOAD}${member}`, parameters.get('value') ?? '');
  return query.toString();
}

interface TailProps {
  query: string;
  most: number;
  withPause?: boolean;
}

/** A list that grows at its top, in the order in which events are stored. */
export function Tail({ query, most, withPause = false }: TailProps) {
  const feed = useMemo(() => new Feed({ query, most }), []);
  useEffect(() => feed.start(), []);
  const { rows, isPaused, held, arrived, dropped } = feed;
  const isLive = feed.state.value.state === 'live' && isWell.value;
  return (
    <>
      <div class="live-bar">
        <p class={`state ${isLive && !isPaused.value ? 'live' : ''}`} role="status">
          {isPaused.value ? `Paused, ${many(held.value, 'event')} waiting` : stateOf(feed)}
        </p>
        {withPause && (
          <>
            <button type="button" aria-pressed={isPaused.value} onClick={() => feed.pause(!isPaused.value)}>
              {isPaused.value ? 'Resume' : 'Pause'}
            </button>
            <span class="hint">
              {many(arrived.value, 'event')} since you opened this view, newest stored first
            </span>
          </>
        )}
      </div>
      {rows.value.length === 0 && (
        <p class="hint">
          No events {query === '' ? 'yet. They' : 'match so far. Those that do'} appear here the moment they
          are stored.
        </p>
      )}
      <Rows rows={rows.value} />
      {withPause && dropped.value > 0 && (
        <p class="hint">
          {many(dropped.value, 'older event')} left this list. <a href="#/search">Search</a> finds all.
        </p>
      )}
    </>
  );
}

function stateOf({ state: { value } }: Feed): string {
  const { state, why } = value;
  if (state === 'refused') return `Not connected: ${why}`;
  if (state === 'connecting') return 'Connecting…';
  if (state === 'waiting') return 'Connection lost; trying again from where it ended';
  if (isWell.value) return 'Live';
  if (faults.value === undefined) return 'The service does not answer: nothing new is known';
  return 'Connected, but events may not be stored now: see above';
}

/** Lists, with a line where the store went back in time between them. */
function Rows({ rows }: { rows: readonly Row[] }) {
  const gap = rows.indexOf('gap');
  const events = (gap === -1 ? rows : rows.slice(0, gap)) as UserEvent[];
  return (
    <>
      {events.length > 0 && <EventList events={events} />}
      {gap !== -1 && (
        <>
          <p class="gap">The store was restored or emptied here: events above may have been listed before.</p>
          <Rows rows={rows.slice(gap + 1)} />
        </>
      )}
    </>
  );
}
