import { type Entry, newId, type QueuedEvent, write } from './event.ts';
import type { Settings } from './options.ts';
import type { Queue } from './queue.ts';

/** Why events were dropped, as counted by `EVENTS_DROPPED`. */
type Cause = 'full' | 'unwritable' | 'refused' | 'closed';

const REPORT_USER = 'footfall-client';
const REPORT_TYPE = 'EVENTS_DROPPED';

/** Reports problems: to the page at once, and to the service with the next batch. */
export class Losses {
  readonly #settings: Settings;
  readonly #queue: Queue;
  #counts: Partial<Record<Cause, number>> = {};
  #report: Entry | undefined;

  constructor(settings: Settings, queue: Queue) {
    this.#settings = settings;
    this.#queue = queue;
  }

  /** Counts and reports events that will not be sent. */
  drop(cause: Cause, dropped: readonly QueuedEvent[], allReasons: readonly string[]): void {
    const events: QueuedEvent[] = [];
    const reasons: string[] = [];
    for (const [at, event] of dropped.entries()) {
      if (event.userId === REPORT_USER && event.eventType === REPORT_TYPE) {
        // A report of that would be rejected too.
        this.#settings.reportDropped = false;
        this.fail(`how many events were dropped cannot be reported: ${allReasons[at]}`);
      } else {
        events.push(event);
        reasons.push(allReasons[at]!);
      }
    }
    if (events.length === 0) return;
    this.#counts[cause] = (this.#counts[cause] ?? 0) + events.length;
    tell(() => this.#settings.onDropped(events, reasons));
  }

  fail(problem: string): void {
    tell(() => this.#settings.onError(new Error(`Footfall at ${this.#settings.url}: ${problem}`)));
  }

  forget(): void {
    this.#counts = {};
  }

  /**
   * Prepends a report of dropped events to the queue: one at a time, while further drops are added up.
   *
   * @returns the report, if there is anything to report
   */
  report(): Entry | undefined {
    if (!this.#settings.reportDropped || Object.keys(this.#counts).length === 0) return undefined;
    if (this.#report && this.#queue.entries.includes(this.#report)) return undefined;
    const timestamp = new Date().toISOString();
    const eventId = newId();
    const event = { eventId, userId: REPORT_USER, eventType: REPORT_TYPE, timestamp, payload: this.#counts };
    this.#report = write(event);
    this.#counts = {};
    this.#queue.addFirst(this.#report);
    return this.#report;
  }
}

/** An error in the listener must not stop the queue. */
function tell(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    console.error(error);
  }
}
