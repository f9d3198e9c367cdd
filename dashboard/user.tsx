import { get, type UserEvent } from './api.ts';
import { EventType } from './event-list.tsx';
import { Exact } from './exact.tsx';
import { asText, members } from './exact-json.ts';
import { FilterForm, TimeFields, TypeField } from './filter-form.tsx';
import { useEvents } from './found-events.ts';
import { More } from './more.tsx';
import { usePolling } from './polling.ts';
import { Outdated, Problem } from './problem.tsx';
import { goTo, toEvent } from './route.ts';
import { type Session, sessionsOf } from './sessions.ts';
import { Time } from './time.tsx';
import { date, endOfDay } from './times.ts';
import { duration, many } from './words.ts';

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
      <Timeline key={query.toString()} query={query} isFiltered={[...parameters].length > 0} />
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
  const path = `users/${encodeURIComponent(userId)}`;

  function jump({ currentTarget: { value, validity } }: { currentTarget: HTMLInputElement }) {
    if (value === '' || !validity.valid) return;
    goTo(path, [
      ['eventType', parameters.get('eventType') ?? ''],
      ['to', endOfDay(value)],
    ]);
  }

  return (
    <FilterForm
      values={Object.fromEntries(parameters)}
      action="Show"
      apply={(given) => goTo(path, Object.entries(given))}
      after={
        <label>
          Jump to date
          <input type="date" min="1970-01-01" max="9999-12-30" onChange={jump} />
        </label>
      }
    >
      <TypeField />
      <TimeFields />
    </FilterForm>
  );
}

function Timeline({ query, isFiltered }: { query: URLSearchParams; isFiltered: boolean }) {
  const { events, isSearching, problem, more } = useEvents(query.toString());
  // Events of one type do not show how long a user was there.
  const sessions = query.has('eventType') ? new Map() : sessionsOf(events, more !== undefined);
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
          {splitBySession(own, sessions).map((part) => (
            <SessionPart key={part[0]!.eventId} events={part} session={sessions.get(part[0]!.eventId)} />
          ))}
        </section>
      ))}
      <More more={more} isLoading={isSearching} />
    </>
  );
}

/** The events of a day, session by session. The first part may continue one of the next day. */
function splitBySession(events: readonly UserEvent[], sessions: ReadonlyMap<string, Session>): UserEvent[][] {
  const parts: UserEvent[][] = [];
  for (const event of events) {
    if (parts.length === 0 || sessions.has(event.eventId)) parts.push([]);
    parts.at(-1)!.push(event);
  }
  return parts;
}

function SessionPart({ events, session }: { events: readonly UserEvent[]; session: Session | undefined }) {
  return (
    <>
      {session && (
        <h3 class="session">
          Session: {many(session.events, 'event')}
          {session.events > 1 && ` in ${duration(session.ms)}`}
          {session.isOpen && ' so far'}
        </h3>
      )}
      <ol class="timeline">
        {events.map(({ eventId, eventType, timestamp, payload }) => (
          <li key={eventId}>
            <a href={toEvent(eventId)} title="Show this event">
              <Time at={timestamp} show="clock" />
            </a>
            <EventType name={eventType} />
            <Members payload={payload} />
          </li>
        ))}
      </ol>
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
