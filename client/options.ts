import type { Entry, QueuedEvent } from './event.ts';

/** Keeps what waits beyond the life of a page; `footfall/client/spool` has one for browsers. */
export interface Spool {
  /**
   * Offers what pages left behind that are gone, oldest first, until `take` returns false.
   *
   * @returns whether all was taken
   */
  claim(take: (entry: Entry) => boolean): Promise<boolean>;
  /** Resolves when they are kept. */
  put(entries: readonly Entry[]): Promise<void>;
  /** Lets go of those that it keeps. */
  remove(entries: Iterable<Entry>): Promise<void>;
  /** Whether it keeps the event, for certain. */
  has(entry: Entry): boolean;
  /** Erases everything, also what other pages have put there. */
  clear(): Promise<void>;
  /** Leaves what is kept to others. */
  close(): Promise<void>;
}

export interface ClientOptions {
  /** Where the service answers, such as `https://events.example`. */
  url: string;
  /** An API key; in a web page one that allows to write and nothing else. */
  key?: string;
  /** Most events in one request. */
  batchSize?: number;
  /** Milliseconds an event waits for others. */
  flushAfterMs?: number;
  /** Most events that wait; what comes then is dropped. */
  maxQueued?: number;
  /** Most bytes of JSON that wait; what comes then is dropped. */
  maxQueuedBytes?: number;
  /** Milliseconds after which an answer is no longer waited for. */
  timeoutMs?: number;
  /** Begins as after `pause()`: nothing is sent, and nothing is written to the device. */
  paused?: boolean;
  /** Whether the service is told how many events were dropped, by events of the type `EVENTS_DROPPED`. */
  reportDropped?: boolean;
  /** Keeps what waits beyond the life of the page. */
  spool?: Spool;
  /** Told of events that will not be sent any more, and why, one reason each; to the console if not given. */
  onDropped?: (events: QueuedEvent[], reasons: string[]) => void;
  /** Told why a request, or keeping what waits, failed; what waits is kept all the same. To the console if not given. */
  onError?: (error: Error) => void;
}

export type Settings = Required<Omit<ClientOptions, 'key' | 'spool'>> & Pick<ClientOptions, 'key' | 'spool'>;

/** @returns the options, with what was not given */
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
