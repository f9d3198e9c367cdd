import { useEffect, useState } from 'preact/hooks';
import type { UserEvent } from './api.ts';
import { EventList } from './event-list.tsx';
import { follow, type StreamState } from './stream.ts';
import { many } from './words.ts';

const MOST_SHOWN = 300;
/** Pictures of the list a second, however many events come. */
const REDRAW_MS = 250;

const STATES: Record<StreamState, string> = {
  connecting: 'Connecting…',
  live: 'Live',
  waiting: 'Connection lost. Trying again; nothing is missed.',
};

/** The newest events as they come. */
export function LivePage() {
  const [filter, setFilter] = useState('');
  function apply(event: SubmitEvent) {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const given = [...form].filter(([, value]) => value !== '').map(([name, value]) => [name, String(value)]);
    setFilter(new URLSearchParams(given).toString());
  }
  return (
    <>
      <h1>Live</h1>
      <form class="filters" onSubmit={apply}>
        <label>
          User
          <input name="userId" autocomplete="off" />
        </label>
        <label>
          Event type
          <input name="eventType" autocomplete="off" placeholder="PRODUCT_VIEW" />
        </label>
        <button type="submit">Show only these</button>
      </form>
      <Tail key={filter} query={filter} most={MOST_SHOWN} withPause />
    </>
  );
}

/** A list that grows at its top. */
export function Tail({
  query,
  most,
  withPause = false,
}: {
  query: string;
  most: number;
  withPause?: boolean;
}) {
  const [events, setEvents] = useState<readonly UserEvent[]>([]);
  const [state, setState] = useState<StreamState>('connecting');
  const [isPaused, setPaused] = useState(false);
  const [seen, setSeen] = useState(0);

  useEffect(() => {
    if (isPaused) return;
    let arrived: UserEvent[] = [];
    const redraw = setInterval(() => {
      if (arrived.length === 0) return;
      const newest = arrived.reverse();
      arrived = [];
      setSeen((before) => before + newest.length);
      setEvents((before) => distinct([...newest, ...before]).slice(0, most));
    }, REDRAW_MS);
    const end = follow(query, { onState: setState, onEvents: (more) => arrived.push(...more) });
    return () => {
      clearInterval(redraw);
      end();
    };
  }, [isPaused]);

  return (
    <>
      <p class={`state ${isPaused ? 'paused' : state}`} role="status">
        {isPaused ? 'Paused' : STATES[state]}
        {withPause && seen > 0 && `: ${many(seen, 'event')} since you are here`}
      </p>
      {withPause && (
        <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? 'Go on' : 'Pause'}
        </button>
      )}
      {events.length === 0 ? (
        <p class="hint">Events appear here the moment they are stored.</p>
      ) : (
        <EventList events={events} />
      )}
    </>
  );
}

function distinct(events: readonly UserEvent[]): UserEvent[] {
  return [...new Map(events.map((event) => [event.eventId, event])).values()];
}
