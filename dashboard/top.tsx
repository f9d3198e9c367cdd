import type { ValueCount } from './api.ts';
import { Exact } from './exact.tsx';
import { count } from './words.ts';

/** Values with most events, as bars that are links. */
export function Top({
  title,
  values,
  href,
}: {
  title: string;
  values: ValueCount[];
  href(value: string): string;
}) {
  const most = values[0]?.events ?? 1;
  return (
    <section>
      <h2>{title}</h2>
      {values.length === 0 && <p class="hint">None on this day.</p>}
      <ol class="top">
        {values.map(({ value, events }) => (
          <li key={value}>
            <a href={href(value)}>
              <Exact text={value} />
            </a>
            <meter min={0} max={most} value={events} aria-hidden="true" />
            <span class="number">{count(events)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
