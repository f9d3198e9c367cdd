// Footfall's client for browsers and Node: queues events, sends them in batches, and sends again what may not have
// arrived, under the same eventIds, so that each counts once. No dependency; bounded memory.

/** Payloads by event type, as the service's catalogue has them. */
export type Catalogue = Record<string, object>;

/** An event as it is sent. */
export interface QueuedEvent {
  eventId: string;
  userId: string;
  eventType: string;
  timestamp: string;
  payload: object;
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
  /** Told of events that will not be sent any more, and why: refused by the service, or no room. */
  onDropped?: (events: QueuedEvent[], reasons: string[]) => void;
}

interface Result {
  status: number;
  retryable?: boolean;
  errors?: string[];
}

const MAX_BATCH_CHARACTERS = 400_000;
/** Browsers take 64 KB on the way out of a page. */
const MAX_BEACON_CHARACTERS = 20_000;
const MAX_BACKOFF_MS = 30_000;

export class Footfall<Events extends Catalogue = Catalogue> {
  readonly #options: Required<Omit<ClientOptions, 'key'>> & { key: string | undefined };
  #queue: QueuedEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> | undefined;
  #failures = 0;
  #wake: () => void = () => {};

  constructor(options: ClientOptions) {
    this.#options = {
      ...{ key: undefined, batchSize: 200, flushAfterMs: 1000, maxQueued: 10_000, onDropped() {} },
      ...options,
    };
    if (typeof document === 'undefined') return;
    addEventListener('pagehide', this.#beacon);
    addEventListener('visibilitychange', this.#beacon);
    addEventListener('online', this.#retryNow);
  }

  /** How many events are not known to have arrived. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Queues an event.
   *
   * @returns its eventId
   */
  track<Type extends keyof Events & string>(userId: string, eventType: Type, payload?: Events[Type]): string {
    const eventId = crypto.randomUUID();
    const timestamp = new Date().toISOString();
    const event = { eventId, userId, eventType, timestamp, payload: payload ?? {} };
    const { maxQueued, batchSize, flushAfterMs, onDropped } = this.#options;
    if (this.#queue.length >= maxQueued) {
      onDropped([event], ['the queue is full']);
      return eventId;
    }
    this.#queue.push(event);
    if (this.#queue.length >= batchSize) void this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), flushAfterMs);
    return eventId;
  }

  /** Sends what is queued; resolves when nothing is, however often that has to be tried. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  /** Sends what is queued and lets go of the page. */
  async close(): Promise<void> {
    await this.flush();
    if (typeof document === 'undefined') return;
    removeEventListener('pagehide', this.#beacon);
    removeEventListener('visibilitychange', this.#beacon);
    removeEventListener('online', this.#retryNow);
  }

  /** One request at a time: a user's events arrive in the order they happened. */
  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const { batch, body } = this.#nextBatch(this.#options.batchSize, MAX_BATCH_CHARACTERS);
      const waitMs = await this.#send(batch, body);
      if (waitMs > 0) await this.#pause(waitMs);
    }
  }

  /** The oldest events and their JSON; at least one. */
  #nextBatch(maxEvents: number, maxCharacters: number): { batch: QueuedEvent[]; body: string } {
    const texts: string[] = [];
    let characters = 0;
    for (const event of this.#queue.slice(0, maxEvents)) {
      const text = JSON.stringify(event);
      characters += text.length;
      if (texts.length > 0 && characters > maxCharacters) break;
      texts.push(text);
    }
    return { batch: this.#queue.slice(0, texts.length), body: `[${texts.join()}]` };
  }

  /** @returns how long to wait before the next request, in milliseconds */
  async #send(batch: QueuedEvent[], body: string): Promise<number> {
    const { url, key } = this.#options;
    try {
      const headers = { 'Content-Type': 'application/json', ...(key && { Authorization: `Bearer ${key}` }) };
      const response = await fetch(`${url}/events/batch`, { method: 'POST', headers, body });
      const answer = (await response.json()) as { error?: string; errors?: string[]; results?: Result[] };
      const again = response.status >= 500 || [408, 429].includes(response.status);
      if (answer.results) this.#settle(batch, answer.results);
      else if (!again) this.#drop(batch, answer.errors ?? [answer.error ?? `${response.status}`]);
      const retryAfter = response.headers.get('Retry-After');
      if (!again && retryAfter === null) {
        this.#failures = 0;
        return 0;
      }
      return this.#backoff(Number(retryAfter) * 1000);
    } catch {
      // No answer, or not a whole one: what arrived will be known by its ids.
      return this.#backoff(0);
    }
  }

  #settle(batch: QueuedEvent[], results: Result[]): void {
    const refused = batch.filter(
      (_, at) => results[at] && results[at].status >= 400 && !results[at].retryable,
    );
    const reasons = results.flatMap(({ retryable, errors = [] }) => (retryable ? [] : errors));
    const done = new Set(batch.filter((_, at) => results[at] && !results[at].retryable));
    this.#queue = this.#queue.filter((event) => !done.has(event));
    if (refused.length > 0) this.#options.onDropped(refused, reasons);
  }

  #drop(batch: QueuedEvent[], reasons: string[]): void {
    this.#queue = this.#queue.filter((event) => !batch.includes(event));
    this.#options.onDropped(batch, reasons);
  }

  /** At least as long as the service asks for; doubling, and by chance, so that clients do not come back in step. */
  #backoff(leastMs: number): number {
    const most = Math.min(MAX_BACKOFF_MS, 200 * 2 ** this.#failures++);
    return Math.max(leastMs, most * (0.5 + Math.random() / 2));
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  readonly #retryNow = (): void => {
    this.#failures = 0;
    this.#wake();
  };

  /**
   * Sends a copy of what waits as the page goes. Nobody answers that, so it stays queued: should the page come back, it
   * is sent again under the same ids.
   */
  readonly #beacon = (): void => {
    if (document.visibilityState !== 'hidden' || this.#queue.length === 0) return;
    const { url, key } = this.#options;
    const { body } = this.#nextBatch(this.#queue.length, MAX_BEACON_CHARACTERS);
    navigator.sendBeacon(`${url}/events/batch${key ? `?key=${encodeURIComponent(key)}` : ''}`, body);
  };
}
