import { EventType } from './event-list.tsx';
import { useEvents } from './found-events.ts';
import { Problem } from './problem.tsx';
import { toEvent } from './route.ts';
import { clock, date, many } from './words.ts';

const PAGE = 200;

/** What one user did, newest first, day by day. */
export function UserPage({ userId }: { userId: string }) {
  const query = new URLSearchParams({ userId, order: 'desc', limit: String(PAGE) }).toString();
  const { events, isSearching, problem, more } = useEvents(query);
  const days = [...Map.groupBy(events, ({ timestamp }) => date(timestamp))];
  return (
    <>
      <h1>{userId}</h1>
      <Problem text={problem} />
      <p role="status" class="hint">
        {isSearching ? 'Reading…' : `${many(events.length, 'event')}${more ? ' so far' : ''}, newest first`}
      </p>
      {days.map(([day, own]) => (
        <section key={day}>
          <h2>{day}</h2>
          <ol class="timeline">
            {own.map(({ eventId, eventType, timestamp, payload }) => (
              <li key={eventId}>
                <a href={toEvent(eventId)} title="Show this event">
                  {clock(timestamp)}
                </a>
                <EventType name={eventType} />
                <Members payload={payload} />
              </li>
            ))}
          </ol>
        </section>
      ))}
      {more && (
        <button type="button" onClick={more} disabled={isSearching}>
          Further back
        </button>
      )}
    </>
  );
}

function Members({ payload }: { payload: Record<string, unknown> }) {
  return (
    <ul class="members">
      {Object.entries(payload).map(([name, value]) => (
        <li key={name}>
          {name} <b>{typeof value === 'string' ? value : JSON.stringify(value)}</b>
        </li>
      ))}
    </ul>
  );
}
