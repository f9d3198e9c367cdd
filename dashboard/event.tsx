import { request } from './api.ts';
import { Copy } from './copy.tsx';
import { EventType } from './event-list.tsx';
import { Exact } from './exact.tsx';
import { prettyJson } from './exact-json.ts';
import { usePolling } from './polling.ts';
import { Problem } from './problem.tsx';
import { toDeadLetter, toType, toUser } from './route.ts';
import { Time } from './time.tsx';
import { count, many } from './words.ts';

const POLL_MS = 2000;

interface Known {
  state: 'stored' | 'pending' | 'dead-lettered';
  partition: number | null;
  offset: string | null;
  storedAt?: string | null;
  duplicates?: number;
  conflicts?: number;
  deadLetterId?: string;
  reason?: string;
  event: { eventId: string; userId: string; eventType: string; timestamp: string } | null;
  /** As it is in the store. */
  raw: string;
}

/** One event: what it is, and where it has been. */
export function EventPage({ eventId }: { eventId: string }) {
  const { value, problem } = usePolling(() => read(eventId), POLL_MS);
  return (
    <>
      <h1>
        Event <Exact text={eventId} />
      </h1>
      <Problem text={problem} />
      {value?.event && (
        <p class="lead">
          <a href={toType(value.event.eventType)}>
            <EventType name={value.event.eventType} />
          </a>{' '}
          by{' '}
          <a href={toUser(value.event.userId)}>
            <Exact text={value.event.userId} />
          </a>
        </p>
      )}
      {value && <Journey known={value} />}
      {value?.event && <Raw text={value.raw} />}
    </>
  );
}

async function read(eventId: string): Promise<Known> {
  const text = await (await request(`/events/${encodeURIComponent(eventId)}`)).text();
  const raw = text.slice(text.indexOf(',"event":') + ',"event":'.length, -1);
  return { ...(JSON.parse(text) as Omit<Known, 'raw'>), raw };
}

function Journey({ known }: { known: Known }) {
  const {
    state,
    event,
    partition,
    offset,
    storedAt,
    duplicates = 0,
    conflicts = 0,
    deadLetterId,
    reason,
  } = known;
  return (
    <section aria-labelledby="journey">
      <h2 id="journey">Journey</h2>
      <ol class="journey">
        {event && (
          <li>
            <strong class="step">Happened</strong> <Time at={event.timestamp} show="full" />
          </li>
        )}
        <li>
          <strong class="step">In the log</strong>{' '}
          {partition === null ? 'by an earlier version' : `partition ${partition}, offset ${offset}`}
        </li>
        {state === 'stored' && (
          <li>
            <strong class="step">Stored</strong>{' '}
            {storedAt ? <Time at={storedAt} show="full" /> : 'by an earlier version'}
          </li>
        )}
        {state === 'stored' && (
          <li class={conflicts > 0 ? 'bad' : undefined}>
            <strong class="step">Duplicates</strong>{' '}
            {duplicates === 0 ? 'none in the log' : `${count(duplicates)} in the log, kept once`}
            {conflicts > 0 && `; ${many(conflicts, 'event')} with this id and other content, not kept`}
          </li>
        )}
        {state === 'pending' && (
          <li>
            <strong class="step">Being stored</strong> it is safe in the log and follows in a moment
          </li>
        )}
        {state === 'dead-lettered' && (
          <li class="bad">
            <strong class="step">Dead-lettered</strong> ({reason}):{' '}
            <a href={toDeadLetter(deadLetterId!)}>see why</a>
          </li>
        )}
      </ol>
    </section>
  );
}

function Raw({ text }: { text: string }) {
  return (
    <section aria-labelledby="raw">
      <div class="heading">
        <h2 id="raw">As it is stored</h2>
        <Copy text={text} />
      </div>
      <pre>
        <Exact text={prettyJson(text)} keepsLines />
      </pre>
    </section>
  );
}
