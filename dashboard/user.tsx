import type { UserEvent } from './api.ts';
import { EventType } from './event-list.tsx';
import { Exact } from './exact.tsx';
import { asText, members } from './exact-json.ts';
import { useEvents } from './found-events.ts';
import { More } from './more.tsx';
import { Problem } from './problem.tsx';
import { toEvent } from './route.ts';
import { Time } from './time.tsx';
import { date } from './times.ts';
import { many } from './words.ts';

const PAGE = 1000;

/** What one user did, day by day, the newest first by the time of the events. */
export function UserPage({ userId }: { userId: string }) {
  const query = new URLSearchParams({ userId, order: 'desc', limit: String(PAGE) }).toString();
  const { events, isSearching, problem, more } = useEvents(query);
  const byTime = events.toSorted((a, b) => Date.parse(b.timestamp) - Date.parse(a.timestamp));
  const days = [...Map.groupBy(byTime, ({ timestamp }) => date(timestamp))];
  return (
    <>
      <h1>
        <Exact text={userId} />
      </h1>
      <Problem text={problem} />
      <p role="status" class="hint">
        {said(events, isSearching, problem, more !== undefined)}
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

function said(events: UserEvent[], isSearching: boolean, problem: string | undefined, hasMore: boolean) {
  if (isSearching) return 'Loading…';
  if (problem !== undefined) return '';
  if (hasMore) return `The ${many(events.length, 'event')} stored last, by their own time; there are more.`;
  if (events.length === 0)
    return 'No events of this user are stored. User ids are exact: check the spelling.';
  return `${many(events.length, 'event')}, newest first by their own time`;
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
