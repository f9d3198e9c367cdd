import { ago, clock, date, exactClock, offsetOf } from './times.ts';

interface TimeProps {
  at: string;
  /** `clock`: of a day that is said elsewhere. `full`: with its day, and how long ago. */
  show: 'clock' | 'full';
}

/** A moment, to the millisecond, in the zone that is chosen; as it was written where the pointer rests on it. */
export function Time({ at, show }: TimeProps) {
  if (Number.isNaN(Date.parse(at))) return <span class="time">{at}</span>;
  return (
    <time class="time" dateTime={at} title={`${at}, ${ago(at)}`}>
      {show === 'full' && `${date(at)}, `}
      {exactClock(at)}
      {show === 'full' && (
        <span class="hint">
          {' '}
          {offsetOf(at)}, {ago(at)}
        </span>
      )}
    </time>
  );
}

/** `14:03:05` of a moment this page saw. */
export function SeenAt({ at }: { at: number }) {
  return <time dateTime={new Date(at).toISOString()}>{clock(at)}</time>;
}
