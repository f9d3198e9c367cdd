// The newest events as they come, for one list. Paused, it goes on taking them and counts what waits.
import { signal } from '@preact/signals';
import { readEvent, request, type UserEvent } from './api.ts';
import { elements } from './exact-json.ts';
import { follow, type StreamState } from './stream.ts';

/** Pictures of the list a second, however many events come. */
const REDRAW_MS = 250;
/** How many wait for a list that is paused, before reading stops until it goes on. */
const MOST_HELD = 5000;

/** An event, or a place where the store went back in time. */
export type Row = UserEvent | 'gap';

export interface FeedOptions {
  /** Such as `userId=u1`. */
  query: string;
  /** Rows that are kept. */
  most: number;
}

export class Feed {
  readonly rows = signal<readonly Row[]>([]);
  readonly state = signal<{ state: StreamState; why?: string | undefined }>({ state: 'connecting' });
  readonly isPaused = signal(false);
  /** Events that wait for the list to go on. */
  readonly held = signal(0);
  /** Events that came since it was opened. */
  readonly arrived = signal(0);
  /** Rows that have left the list at its end. */
  readonly dropped = signal(0);
  readonly #options: FeedOptions;
  /** Oldest first. */
  #waiting: (string | 'gap')[] = [];
  /** What was read as recent, and may come by the stream as well. */
  #recent = new Set<string>();
  #isFilled = false;
  #room = Promise.withResolvers<void>();

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** @returns ends it */
  start(): () => void {
    const redraw = setInterval(() => this.#show(), REDRAW_MS);
    const end = follow(this.#options.query, {
      onEvents: (events) => this.#take(events),
      onReset: () => this.#waiting.push('gap'),
      onState: (state, why) => {
        this.state.value = { state, why };
        // Only once the stream is open, so that nothing falls between the two.
        if (state === 'live' && !this.#isFilled) this.#fill();
      },
    });
    return () => {
      clearInterval(redraw);
      end();
      this.#room.resolve();
    };
  }

  pause(isPaused: boolean): void {
    this.isPaused.value = isPaused;
    if (!isPaused) this.#show();
  }

  #take(events: string[]): Promise<void> | undefined {
    const fresh = events.filter((event) => !this.#recent.delete(event));
    this.#waiting.push(...fresh);
    this.arrived.value += fresh.length;
    if (this.isPaused.value) this.held.value = this.#waiting.length;
    return this.#waiting.length >= MOST_HELD && this.isPaused.value ? this.#room.promise : undefined;
  }

  async #fill(): Promise<void> {
    this.#isFilled = true;
    const { query, most } = this.#options;
    const limit = String(Math.min(most, 100));
    try {
      const answer = await request(`/events/processed?${query}${query && '&'}order=desc&limit=${limit}`);
      const seen = new Set(this.#waiting);
      const recent = elements(await answer.text()).filter((event) => !seen.has(event));
      this.#recent = new Set(recent);
      this.rows.value = [...this.rows.value, ...recent.map(readEvent)];
    } catch {
      // Tried again when the stream is open again, which an outage ends, too.
      this.#isFilled = false;
    }
  }

  #show(): void {
    if (this.isPaused.value || this.#waiting.length === 0) return;
    const newest = this.#waiting.reverse().map((row): Row => (row === 'gap' ? row : readEvent(row)));
    this.#waiting = [];
    this.held.value = 0;
    this.#room.resolve();
    this.#room = Promise.withResolvers();
    const all = [...newest, ...this.rows.value];
    this.dropped.value += Math.max(0, all.length - this.#options.most);
    this.rows.value = all.slice(0, this.#options.most);
  }
}
