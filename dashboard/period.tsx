import { SPANS } from './explore-range.ts';

interface PeriodChoiceProps {
  /** The name of the one that is chosen. */
  span: string | undefined;
  choose(span: string): void;
}

/** How far back from now a view goes. */
export function PeriodChoice({ span, choose }: PeriodChoiceProps) {
  return (
    <fieldset class="choices">
      <legend class="unseen">Period</legend>
      {SPANS.map(([name, title]) => (
        <button key={name} type="button" aria-pressed={span === name} onClick={() => choose(name)}>
          {title}
        </button>
      ))}
    </fieldset>
  );
}

const VIEWS = [
  ['explore', 'Over time'],
  ['explore/funnel', 'Funnel'],
  ['explore/returning', 'Returning users'],
] as const;

/** The views of Explore. */
export function ExploreViews({ current }: { current: (typeof VIEWS)[number][0] }) {
  return (
    <nav class="choices views" aria-label="Views of Explore">
      {VIEWS.map(([path, title]) => (
        <a key={path} href={`#/${path}`} aria-current={path === current ? 'page' : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}
