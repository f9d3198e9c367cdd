// Limits for responses that count events, and a check beforehand whether they would be exceeded.
import { ApiError } from '../errors.ts';
import { searchSteps } from '../loop-turns.ts';
import { type EventStore, HOUR_MS, type HourCount } from '../store/event-store.ts';

/** Stated in docs/reading.md and in the error. */
export const COUNT_MOST = { counted: 5_000_000, read: 1_000_000, bytes: 40_000_000 };

/** Stored counts read in one step. */
const STEP_HOURS = 240;

export interface CountLimits {
  /** The most events: if the store counts them, and if their payloads have to be read; and the memory for their values. */
  most: Record<'counted' | 'read' | 'bytes', number>;
  /** Called with the additional memory. @throws if there is none */
  reserve(bytes: number): void;
  /** False once nobody is waiting for the response. */
  isWanted(): boolean;
}

/** Stops work that nobody is waiting for, or that exceeds its limits. */
export class CountBudget {
  readonly #held: { readonly bytes: number };
  readonly #limits: CountLimits;
  #events: number;
  #reserved = 0;

  /** @param held what grows in memory */
  constructor(of: 'counted' | 'read', held: { readonly bytes: number }, limits: CountLimits) {
    this.#held = held;
    this.#limits = limits;
    this.#events = limits.most[of];
  }

  get isWanted(): boolean {
    return this.#limits.isWanted();
  }

  /** @throws ApiError `too_many_events` if there are certainly more */
  expect(events: number): void {
    if (events > this.#events) throw new ApiError('too_many_events');
  }

  /** @throws ApiError `too_many_events` */
  spend(events: number): void {
    this.expect(events);
    this.#events -= events;
    const { bytes } = this.#held;
    if (bytes > this.#limits.most.bytes) throw new ApiError('too_many_events');
    if (bytes > this.#reserved) this.#limits.reserve(bytes - this.#reserved);
    this.#reserved = Math.max(bytes, this.#reserved);
  }
}

export interface Period {
  from: number;
  /** Exclusive. */
  to: number;
  eventTypes?: readonly string[] | undefined;
}

/** Hours since 1970, `to` exclusive. */
export interface Hours {
  from: number;
  to: number;
}

/** The whole hours of a period. */
export function wholeHours({ from, to }: Period): Hours {
  return { from: Math.ceil(from / HOUR_MS), to: Math.floor(to / HOUR_MS) };
}

/** The store's counts by type for these hours. */
export async function* keptCounts(
  store: EventStore,
  { from, to }: Hours,
  eventTypes: readonly string[] | undefined,
  budget: CountBudget,
): AsyncGenerator<HourCount[]> {
  const types = eventTypes && new Set(eventTypes);
  for (let first = from; first < to && budget.isWanted; first += STEP_HOURS) {
    await searchSteps.next();
    const counts = await store.counts.byHour({ from: first, to: Math.min(first + STEP_HOURS, to) - 1 });
    yield types === undefined ? counts : counts.filter(({ eventType }) => types.has(eventType));
    budget.spend(0);
  }
}

/** Rejects at once what would be rejected after a long search. @throws ApiError `too_many_events` */
export async function expectKept(
  store: EventStore,
  periods: readonly Period[],
  budget: CountBudget,
): Promise<void> {
  let events = 0;
  for (const period of periods) {
    for await (const counts of keptCounts(store, wholeHours(period), period.eventTypes, budget)) {
      events += counts.reduce((sum, count) => sum + count.events, 0);
      budget.expect(events);
    }
  }
}
