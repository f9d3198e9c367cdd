import { EventRow } from './event-list.tsx';
import type { Entry } from './feed.ts';

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
          <EventRow
            key={entry.key}
            event={entry.event}
            at={entry.at}
            href={entry.href}
            text={entry.detail ?? entry.event.payload ?? ''}
            outcome={isPlain ? undefined : entry.outcome}
          />
        ),
      )}
    </ol>
  );
}
