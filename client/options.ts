import type { Entry, QueuedEvent } from './event.ts';

/** Persists queued events beyond the life of a page; `footfall/client/spool` has an implementation for browsers. */
export interface Spool {
  /**
   * Offers events left by closed pages, oldest first, until `take` returns false.
   *
   * @returns whether all were taken
   */
  claim(take: (entry: Entry) => boolean): Promise<boolean>;
  /** Resolves when they are persisted. */
  put(entries: readonly Entry[]): Promise<void>;
  /** Deletes those it has persisted. */
  remove(entries: Iterable<Entry>): Promise<void>;
  /** Whether the event is certainly persisted. */
  has(entry: Entry): boolean;
  /** Erases everything, including other pages' events. */
  clear(): Promise<void>;
  /** Releases persisted events to other pages. */
  close(): Promise<void>;
}

export interface ClientOptions {
  /** The service's URL, such as `https://events.example`. */
  url: string;
  /** An API key; in a web page, one that only allows writing. */
  key?: string;
  /** Most events in one request. */
  batchSize?: number;
  /** Milliseconds an event waits for others to fill a batch. */
  flushAfterMs?: number;
  /** Most events queued; further ones are dropped. */
  maxQueued?: number;
  /** Most bytes of JSON queued; further events are dropped. */
  maxQueuedBytes?: number;
  /** Response timeout in milliseconds. */
  timeoutMs?: number;
  /** Starts as after `pause()`: nothing is sent, and nothing is written to the device. */
  paused?: boolean;
  /** Whether to report the number of dropped events to the service, as events of the type `EVENTS_DROPPED`. */
  reportDropped?: boolean;
  /** Persists queued events beyond the life of the page. */
  spool?: Spool;
  /** Called with events that will not be sent any more and a reason, once per reason. Default: logs to the console. */
  onDropped?: (events: QueuedEvent[], reasons: string[]) => void;
  /** Called with the reason when a request or the spool fails; queued events are kept. Default: logs to the console. */
  onError?: (error: Error) => void;
}

export type Settings = Required<Omit<ClientOptions, 'key' | 'spool'>> & Pick<ClientOptions, 'key' | 'spool'>;

/** @returns the options with defaults filled in */
export function settingsOf(options: ClientOptions): Settings {
  return {
    batchSize: 200,
    flushAfterMs: 1000,
    maxQueued: 10_000,
    maxQueuedBytes: 5_000_000,
    timeoutMs: 30_000,
    paused: false,
    reportDropped: true,
    onDropped: (events, reasons) => console.warn(`Footfall dropped ${events.length} events:`, reasons),
    onError: (error) => console.warn(error.message),
    ...options,
    url: `${options.url.replace(/\/+$/, '')}/events/batch`,
  };
}
