// In: how many days events are kept. Out: the first day that is kept today, and what is wrong with an event before it.
import { type Clock, systemClock } from '../clock.ts';
import { eventTimeMs, timeOfUuid } from './event-time.ts';
import { dateOf } from './moments.ts';

const DAY_MS = 86_400_000;
export const MOST_RETENTION_DAYS = 36_500;

/** The members of an event that tell its age, once they are valid. */
export interface Dated {
  eventType: string;
  eventId?: string | undefined;
  timestamp?: string | undefined;
}

interface RetentionDaysOptions {
  /** For types without days of their own; undefined: such events are kept for good. */
  overall?: number | undefined;
  /** By event type. */
  types?: ReadonlyMap<string, number>;
  clock?: Pick<Clock, 'date' | 'now'> | undefined;
}

/** How long events are kept, by their own time: the day they happened on, in UTC, and this many days after it. */
export class RetentionDays {
  readonly overall: number | undefined;
  readonly types: ReadonlyMap<string, number>;
  readonly #clock: Pick<Clock, 'date' | 'now'>;
  readonly #startedAt: number;
  /** Of each type, what `learn` was told. */
  #storedFrom: ((eventType: string) => number) | undefined;

  constructor({ overall, types = new Map(), clock = systemClock }: RetentionDaysOptions = {}) {
    this.overall = overall;
    this.types = types;
    this.#clock = clock;
    this.#startedAt = clock.date().getTime() - clock.now();
  }

  get isOn(): boolean {
    return this.overall !== undefined || this.types.size > 0;
  }

  /** In days since 1970. A clock that is set while this runs does not change it: nothing must go for that. */
  get today(): number {
    return Math.floor((this.#startedAt + this.#clock.now()) / DAY_MS);
  }

  /** For how many days events of a type are kept; undefined: for good. */
  of(eventType: string): number | undefined {
    return this.types.get(eventType) ?? this.overall;
  }

  /** @param firstDay of each type, the first of which events are stored: earlier ones were removed, perhaps by other settings */
  learn(firstDay: (eventType: string) => number): void {
    this.#storedFrom = firstDay;
  }

  /** Whether events may have been removed. */
  get mayHaveRemoved(): boolean {
    return this.isOn || this.#storedFrom !== undefined;
  }

  /** The first day of which events of a type are stored. */
  #firstDay(eventType: string): number {
    const days = this.of(eventType);
    const wanted = days === undefined ? Number.NEGATIVE_INFINITY : this.today - days;
    return Math.max(wanted, this.#storedFrom?.(eventType) ?? Number.NEGATIVE_INFINITY);
  }

  /** Messages about an event that would not be stored any more. */
  ageErrors({ eventType, eventId, timestamp }: Dated): string[] {
    if (!this.mayHaveRemoved) return [];
    const first = this.#firstDay(eventType) * DAY_MS;
    const errors: string[] = [];
    if (timestamp !== undefined && eventTimeMs(timestamp) < first) {
      errors.push(`timestamp must not be before ${dateOf(first)}: older ${eventType} events are not kept`);
    }
    if (eventId !== undefined && (timeOfUuid(eventId) ?? first) < first) {
      errors.push(
        `eventId was made before ${dateOf(first)}, by the time in it: older ${eventType} events are not kept`,
      );
    }
    return errors;
  }
}
