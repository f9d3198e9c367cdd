import { useState } from 'preact/hooks';
import type { UserEvent } from './api.ts';
import { Copy } from './copy.tsx';
import { curlFor } from './curl.ts';
import { Exact } from './exact.tsx';
import { prettyJson } from './exact-json.ts';
import type { Outcome } from './outcomes.ts';
import { toEvent, toUser } from './route.ts';
import { Time } from './time.tsx';
import { date } from './times.ts';

const TEXT_SHOWN = 160;

/** Events as rows: when, what, who, with what. */
export function EventList({
  events,
  withDate = false,
  expands = false,
}: {
  events: readonly UserEvent[];
  withDate?: boolean;
  /** Whether a row can show all of its event below it. */
  expands?: boolean;
}) {
  return (
    <ol class={`events ${withDate ? 'dated' : ''} ${expands ? 'expanding' : ''}`}>
      {events.map((event) => (
        <EventRow
          key={event.eventId}
          event={event}
          at={event.timestamp}
          href={toEvent(event.eventId)}
          text={event.payload}
          withDate={withDate}
          json={expands ? event.json : undefined}
        />
      ))}
    </ol>
  );
}

interface EventRowProps {
  /** As far as it is known. */
  event: Partial<UserEvent>;
  at: string;
  href: string;
  /** What there is to say of it. */
  text: string;
  withDate?: boolean;
  outcome?: Outcome | undefined;
  /** All of it, where the row shows that on request. */
  json?: string | undefined;
}

export function EventRow({ event, at, href, text, withDate = false, outcome, json }: EventRowProps) {
  const { eventType, userId } = event;
  const [isOpen, setOpen] = useState(false);
  return (
    <li>
      {json !== undefined && (
        <button
          type="button"
          class="expander"
          aria-expanded={isOpen}
          aria-label="Show all of this event here"
          onClick={() => setOpen(!isOpen)}
        />
      )}
      <a class="when" href={href} title="Show this event">
        {withDate && <span class="date">{date(at)} </span>}
        <Time at={at} show="clock" />
      </a>
      {outcome && <span class={`outcome of-${outcome}`}>{outcome}</span>}
      {eventType === undefined ? <span class="type" /> : <EventType name={eventType} />}
      {userId === undefined || userId === '' ? (
        <span class="who" />
      ) : (
        <a class="who" href={toUser(userId)}>
          <Exact text={userId} />
        </a>
      )}
      <code class="what">
        <Exact text={text} most={TEXT_SHOWN} />
      </code>
      {isOpen && json !== undefined && <Whole json={json} eventId={event.eventId ?? ''} />}
    </li>
  );
}

function Whole({ json, eventId }: { json: string; eventId: string }) {
  return (
    <div class="whole">
      <pre>
        <Exact text={prettyJson(json)} keepsLines />
      </pre>
      <div class="choices">
        <Copy text={json} title="Copy as JSON" />
        <Copy text={curlFor(`/events/${encodeURIComponent(eventId)}`)} title="Copy as curl" />
      </div>
    </div>
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
