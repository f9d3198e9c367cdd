import type { UserEvent } from './api.ts';
import { Exact } from './exact.tsx';
import { toEvent, toUser } from './route.ts';
import { Time } from './time.tsx';
import { date } from './times.ts';

const PAYLOAD_SHOWN = 160;

/** Events as rows: when, what, who, with what. */
export function EventList({
  events,
  withDate = false,
}: {
  events: readonly UserEvent[];
  withDate?: boolean;
}) {
  return (
    <ol class={withDate ? 'events dated' : 'events'}>
      {events.map((event) => (
        <EventRow key={event.eventId} event={event} withDate={withDate} />
      ))}
    </ol>
  );
}

function EventRow({ event, withDate }: { event: UserEvent; withDate: boolean }) {
  const { eventId, userId, eventType, timestamp, payload } = event;
  return (
    <li>
      <a class="when" href={toEvent(eventId)} title="Show this event">
        {withDate && <span class="date">{date(timestamp)} </span>}
        <Time at={timestamp} show="clock" />
      </a>
      <EventType name={eventType} />
      <a class="who" href={toUser(userId)}>
        <Exact text={userId} />
      </a>
      <code class="what">
        <Exact text={payload.slice(0, PAYLOAD_SHOWN)} />
        {payload.length > PAYLOAD_SHOWN && '…'}
      </code>
    </li>
  );
}

/** A type in a colour of its own, always the same. */
export function EventType({ name }: { name: string }) {
  return (
    <span class={`type hue-${hue(name)}`}>
      <Exact text={name} />
    </span>
  );
}

export const HUES = 6;
const KNOWN: Record<string, number> = { LOGIN: 2, PRODUCT_VIEW: 0, LOGOUT: 4 };

/** The number of the colour of a type. */
export function hue(name: string): number {
  const known = KNOWN[name];
  if (known !== undefined) return known;
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)!) % 997;
  return sum % HUES;
}
