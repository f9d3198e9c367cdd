// The newest events as they come, for one list, with what became of each. Paused, it goes on taking them and counts
// what waits.
import { signal } from '@preact/signals';
import { readEvent, request } from './api.ts';
import { elements } from './exact-json.ts';
import {
  type Filter,
  followOthers,
  matches,
  OUTCOMES,
  type Outcome,
  type Row,
  storedRow,
} from './outcomes.ts';
import { follow, type StreamState } from './stream.ts';
import { many } from './words.ts';

/** Pictures of the list a second, however many events come. */
const REDRAW_MS = 250;
/** How many wait for a list that is paused, before reading stops until it goes on. */
const MOST_HELD = 5000;
const RECENT = 100;

/** A place in the list where something is missing or comes again. */
interface Gap {
  outcome: Outcome;
  key: string;
  gap: string;
}

export type Entry = Row | Gap;

/** By when they came, which for recent ones is when they happened. */
interface Placed {
  order: number;
  entry: Entry;
}

/** One that waits: read only when it is shown. */
interface Waiting {
  order: number;
  read(): Entry;
}

interface FeedOptions {
  filter: Filter;
  /** Rows that are kept of each outcome, and shown of all together. */
  most: number;
  /** Without the others there are stored events alone. */
  hasOthers: boolean;
}

/** What is known of one outcome. */
class Lane {
  /** Newest first. */
  placed: Placed[] = [];
  /** Oldest first. */
  waiting: Waiting[] = [];
  /** Rows there have been, without gaps. */
  total = 0;

  /** @returns whether that changes anything */
  show(most: number): boolean {
    if (this.waiting.length === 0) return false;
    // What would leave the list at once is counted and not read.
    const newest = this.waiting.slice(-most).reverse();
    this.total += this.waiting.length - newest.length;
    const placed = newest.map(({ order, read }) => ({ order, entry: read() }));
    this.total += placed.filter(({ entry }) => !('gap' in entry)).length;
    this.waiting = [];
    this.placed = [...placed, ...this.placed].slice(0, most);
    return true;
  }

  addRecent(rows: Row[], openedAt: number): void {
    this.total += rows.length;
    let order = Number.NEGATIVE_INFINITY;
    // A late event stands where it was stored, which is not before what was stored before it.
    const oldestFirst = rows.toReversed().map((entry) => {
      order = Math.max(order, Math.min(Date.parse(entry.at) || 0, openedAt));
      return { order, entry };
    });
    this.placed = [...this.placed, ...oldestFirst.reverse()];
  }
}

export class Feed {
  readonly lanes = signal<Record<Outcome, Lane>>(newLanes());
  readonly state = signal<{ state: StreamState; why?: string | undefined }>({ state: 'connecting' });
  /** Why refusals, duplicates and dead letters cannot be read. */
  readonly othersProblem = signal<string | undefined>(undefined);
  readonly isPaused = signal(false);
  /** Counts up when more wait. */
  readonly changes = signal(0);
  /** Whether the recent ones are there, so that an empty list says something. */
  readonly isFilled = signal(false);
  readonly #options: FeedOptions;
  readonly #openedAt = present();
  /** What was read as recent, and may come by the stream as well. */
  #recent = new Set<string>();
  #isFilling = false;
  #gaps = 0;
  #room = Promise.withResolvers<void>();

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** @returns ends it */
  start(): () => void {
    const redraw = setInterval(() => this.#show(), REDRAW_MS);
    const { filter, hasOthers } = this.#options;
    const ends = [
      follow(toQuery(filter), {
        onEvents: (events) => this.#takeStored(events),
        onReset: () =>
          this.#wait('stored', [
            this.#gap(
              'stored',
              'The store was restored or emptied here: events above may have been listed before.',
            ),
          ]),
        onState: (state, why) => {
          this.state.value = { state, why };
          // Only once the stream is open, so that nothing falls between the two.
          if (state === 'live' && !this.#isFilling) this.#fill();
        },
      }),
    ];
    if (hasOthers) {
      const onProblem = (problem: string | undefined) => {
        this.othersProblem.value = problem;
      };
      ends.push(followOthers((...rows) => this.#takeOthers(...rows), onProblem));
    }
    return () => {
      clearInterval(redraw);
      for (const end of ends) end();
      this.#room.resolve();
    };
  }

  pause(isPaused: boolean): void {
    this.isPaused.value = isPaused;
    if (!isPaused) this.#show();
  }

  /**
   * Rows of some outcomes, newest first; how many have left the list, and how many wait. Where that is full, more wait
   * at the service.
   */
  view(outcomes: readonly Outcome[]): { entries: Entry[]; dropped: number; held: number; isFull: boolean } {
    // Read, so that whoever shows this is shown again.
    this.changes.value;
    const lanes = outcomes.map((outcome) => this.lanes.value[outcome]);
    const entries = lanes
      .flatMap(({ placed }) => placed)
      .sort((a, b) => b.order - a.order)
      .slice(0, this.#options.most)
      .map(({ entry }) => entry);
    const rows = entries.filter((entry) => !('gap' in entry)).length;
    return {
      entries,
      dropped: lanes.reduce((sum, { total }) => sum + total, 0) - rows,
      held: lanes.reduce((sum, { waiting }) => sum + waiting.length, 0),
      isFull: this.lanes.value.stored.waiting.length >= MOST_HELD,
    };
  }

  #wait(outcome: Outcome, reads: (() => Entry)[]): void {
    if (reads.length === 0) return;
    const order = present();
    this.lanes.value[outcome].waiting.push(...reads.map((read) => ({ order, read })));
    if (this.isPaused.value) this.changes.value++;
  }

  #gap(outcome: Outcome, gap: string): () => Gap {
    const key = `gap ${this.#gaps++}`;
    return () => ({ outcome, key, gap });
  }

  #takeStored(events: string[]): Promise<void> | undefined {
    const fresh = events.filter((event) => !this.#recent.delete(event));
    this.#wait(
      'stored',
      fresh.map((event) => () => storedRow(readEvent(event))),
    );
    const isFull = this.lanes.value.stored.waiting.length >= MOST_HELD;
    return isFull && this.isPaused.value ? this.#room.promise : undefined;
  }

  #takeOthers(rows: Row[], missed: number, isFirst: boolean, outcome: Outcome): void {
    const { filter } = this.#options;
    const matching = rows.filter((row) => matches(row, filter));
    if (isFirst) {
      for (const one of new Set(matching.map((row) => row.outcome))) {
        this.lanes.value[one].addRecent(
          matching.filter((row) => row.outcome === one),
          this.#openedAt,
        );
      }
      this.lanes.value = { ...this.lanes.value };
      return;
    }
    if (missed > 0) {
      const said = `${many(missed, 'more event')} ${outcome} here than this page could read.`;
      this.#wait(outcome, [this.#gap(outcome, said)]);
    }
    for (const row of matching.toReversed()) this.#wait(row.outcome, [() => row]);
  }

  async #fill(): Promise<void> {
    this.#isFilling = true;
    const { filter, most } = this.#options;
    const query = new URLSearchParams(toQuery(filter));
    query.set('order', 'desc');
    query.set('limit', String(Math.min(most, RECENT)));
    try {
      const answer = await request(`/events/processed?${query}`);
      const text = await answer.text();
      const seen = new Set(this.#seen());
      const recent = elements(text)
        .map((json) => ({ json, row: storedRow(readEvent(json)) }))
        .filter(({ row }) => !seen.has(row.key));
      this.#recent = new Set(recent.map(({ json }) => json));
      const rows = recent.map(({ row }) => row);
      this.lanes.value.stored.addRecent(rows, this.#openedAt);
      this.lanes.value = { ...this.lanes.value };
      this.isFilled.value = true;
    } catch {
      // Tried again when the stream is open again, which an outage ends, too.
      this.#isFilling = false;
    }
  }

  /** What came by the stream while the recent ones were read. */
  #seen(): string[] {
    const { placed, waiting } = this.lanes.value.stored;
    return [...placed.map(({ entry }) => entry.key), ...waiting.map(({ read }) => read().key)];
  }

  #show(): void {
    if (this.isPaused.value) return;
    const lanes = Object.values(this.lanes.value);
    const changed = lanes.map((lane) => lane.show(this.#options.most));
    if (!changed.includes(true)) return;
    this.#room.resolve();
    this.#room = Promise.withResolvers();
    this.lanes.value = { ...this.lanes.value };
  }
}

/** Milliseconds since 1970 that never go back. */
const present = () => performance.timeOrigin + performance.now();

function newLanes(): Record<Outcome, Lane> {
  return Object.fromEntries(OUTCOMES.map((outcome) => [outcome, new Lane()])) as Record<Outcome, Lane>;
}

function toQuery({ userId, eventType, member, value }: Filter): string {
  const query = new URLSearchParams();
  if (userId !== '') query.set('userId', userId);
  if (eventType !== '') query.set('eventType', eventType);
  if (member !== '') query.set(`payload.${member}`, value);
  return query.toString();
}
