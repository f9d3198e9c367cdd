import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from './api.ts';
import { EventType } from './event-list.tsx';
import { Exact } from './exact.tsx';
import { asText, members } from './exact-json.ts';
import { useEvents } from './found-events.ts';
import { More } from './more.tsx';
import { usePolling } from './polling.ts';
import { Outdated, Problem } from './problem.tsx';
import { goTo, toEvent } from './route.ts';
import { Time } from './time.tsx';
import { date, endOfDay, ofField, toField, zone } from './times.ts';
import { many } from './words.ts';

const PAGE = 200;
/** The service counts no further. */
const MOST_COUNTED = 100_000;
const TOTAL_MS = 10_000;

interface UserPageProps {
  userId: string;
  /** `eventType`, `from` and `to`. */
  parameters: URLSearchParams;
}

/** What one user did, day by day, the newest first by the time of the events. The address holds what is shown. */
export function UserPage({ userId, parameters }: UserPageProps) {
  const query = new URLSearchParams({ userId, order: '-time', limit: String(PAGE) });
  for (const name of ['eventType', 'from', 'to']) {
    const value = parameters.get(name);
    if (value) query.set(name, value);
  }
  return (
    <>
      <h1>
        <Exact text={userId} />
      </h1>
      <Total userId={userId} />
      <Filters userId={userId} parameters={parameters} />
      <Timeline key={query.toString()} query={query.toString()} isFiltered={[...parameters].length > 0} />
    </>
  );
}

interface UserStats {
  events: number;
  first: string | null;
  latest: string | null;
}

function Total({ userId }: { userId: string }) {
  const polled = usePolling(
    () => get<UserStats>(`/events/stats/user?${new URLSearchParams({ userId })}`),
    TOTAL_MS,
    userId,
  );
  const { value } = polled;
  return (
    <>
      <Outdated polled={polled} />
      {value?.events === 0 && (
        <p class="lead">No events of this user are stored. User ids are exact: check the spelling.</p>
      )}
      {value?.first && value.latest && (
        <p class="lead">
          {value.events >= MOST_COUNTED && 'At least '}
          {many(value.events, 'event')} in total, from <Time at={value.first} show="full" /> to{' '}
          <Time at={value.latest} show="full" />
        </p>
      )}
    </>
  );
}

function Filters({ userId, parameters }: UserPageProps) {
  const form = useRef<HTMLFormElement>(null);
  const [mistake, setMistake] = useState<string>();
  const path = `users/${encodeURIComponent(userId)}`;
  // The fields follow the address, also back and forward.
  useEffect(() => {
    for (const field of form.current!.querySelectorAll<HTMLInputElement>('[name]')) {
      const value = parameters.get(field.name) ?? '';
      field.value = field.name === 'eventType' ? value : toField(value);
    }
  }, [parameters, zone.value]);

  function show(event: SubmitEvent) {
    event.preventDefault();
    const text = (name: string) => String(new FormData(form.current!).get(name) ?? '');
    const [from, to] = [ofField(text('from')), ofField(text('to'))];
    const isEmpty = from !== '' && to !== '' && from >= to;
    setMistake(isEmpty ? 'From must be before To.' : undefined);
    if (isEmpty) return;
    goTo(path, [
      ['eventType', text('eventType')],
      ['from', from],
      ['to', to],
    ]);
  }

  function jump({ currentTarget: { value, validity } }: { currentTarget: HTMLInputElement }) {
    if (value === '' || !validity.valid) return;
    goTo(path, [
      ['eventType', parameters.get('eventType') ?? ''],
      ['to', endOfDay(value)],
    ]);
  }

  return (
    <>
      <form class="filters" ref={form} onSubmit={show}>
        <label>
          Event type
          <input name="eventType" autocomplete="off" />
        </label>
        <label>
          From
          <input name="from" type="datetime-local" step="1" />
        </label>
        <label>
          To
          <input name="to" type="datetime-local" step="1" />
        </label>
        <button type="submit">Show</button>
        <label>
          Jump to date
          <input type="date" min="1970-01-01" max="9999-12-30" onChange={jump} />
        </label>
      </form>
      <Problem text={mistake} />
    </>
  );
}

function Timeline({ query, isFiltered }: { query: string; isFiltered: boolean }) {
  const { events, isSearching, problem, more } = useEvents(query);
  const days = [...Map.groupBy(events, ({ timestamp }) => date(timestamp))];
  const found = `${many(events.length, 'event')}${more ? ' so far' : ''}, newest first by their own time`;
  const none = isFiltered ? 'No events of this user match.' : '';
  const said = isSearching ? 'Loading…' : events.length === 0 && !more ? none : found;
  return (
    <>
      <Problem text={problem} />
      <p role="status" class="hint">
        {problem === undefined && said}
      </p>
      {days.map(([day, own]) => (
        <section key={day}>
          <h2>{day}</h2>
          <ol class="timeline">
            {own.map(({ eventId, eventType, timestamp, payload }) => (
              <li key={eventId}>
                <a href={toEvent(eventId)} title="Show this event">
                  <Time at={timestamp} show="clock" />
                </a>
                <EventType name={eventType} />
                <Members payload={payload} />
              </li>
            ))}
          </ol>
        </section>
      ))}
      <More more={more} isLoading={isSearching} />
    </>
  );
}

function Members({ payload }: { payload: string }) {
  return (
    <ul class="members">
      {members(payload).map(([name, value]) => (
        <li key={name}>
          <Exact text={name} />{' '}
          <b>
            <Exact text={asText(value)} />
          </b>
        </li>
      ))}
    </ul>
  );
}
