import { EventType } from './event-list.tsx';
import { Exact } from './exact.tsx';
import type { Entry } from './feed.ts';
import type { Row } from './outcomes.ts';
import { toUser } from './route.ts';
import { Time } from './time.tsx';

const TEXT_SHOWN = 160;

/** Events as rows, with what became of each, and lines where something is missing. @param isPlain all are stored */
export function OutcomeList({ entries, isPlain = false }: { entries: readonly Entry[]; isPlain?: boolean }) {
  if (entries.length === 0) return null;
  return (
    <ol class={isPlain ? 'events' : 'events outcomes'}>
      {entries.map((entry) =>
        'gap' in entry ? (
          <li key={entry.key} class="gap">
            {entry.gap}
          </li>
        ) : (
          <OutcomeRow key={entry.key} row={entry} isPlain={isPlain} />
        ),
      )}
    </ol>
  );
}

function OutcomeRow({ row, isPlain }: { row: Row; isPlain: boolean }) {
  const { outcome, at, href, event, detail } = row;
  const text = detail ?? event.payload ?? '';
  return (
    <li>
      <a class="when" href={href} title="Show this event">
        <Time at={at} show="clock" />
      </a>
      {!isPlain && <span class={`outcome of-${outcome}`}>{outcome}</span>}
      {event.eventType === undefined ? <span class="type" /> : <EventType name={event.eventType} />}
      {event.userId === undefined || event.userId === '' ? (
        <span class="who" />
      ) : (
        <a class="who" href={toUser(event.userId)}>
          <Exact text={event.userId} />
        </a>
      )}
      <code class="what">
        <Exact text={text.slice(0, TEXT_SHOWN)} />
        {text.length > TEXT_SHOWN && '…'}
      </code>
    </li>
  );
}
