import { askForKey } from './api.ts';
import type { Polled } from './polling.ts';
import { SeenAt } from './time.tsx';

/** What does not work, said where it was to be. */
export function Problem({ text }: { text: string | undefined }) {
  return (
    <div role="alert">
      {text !== undefined && (
        <p class="problem">
          {text}{' '}
          {/\bkey\b/i.test(text) && (
            <button type="button" onClick={askForKey}>
              Change key
            </button>
          )}
        </p>
      )}
    </div>
  );
}

/** Why a part of the page is not of now, since when, and of when it is. */
export function Outdated({ polled: { problem, since, asOf, value } }: { polled: Polled<unknown> }) {
  if (problem === undefined) return value === undefined ? <p class="hint">Loading…</p> : null;
  return (
    <p class="problem">
      {problem} Since <SeenAt at={since!} />.
      {asOf !== undefined && (
        <>
          {' '}
          Shown as of <SeenAt at={asOf} />.
        </>
      )}
    </p>
  );
}
