// In: weeks and a filter. Out: the users by the week of their first event, and how many of them had events in the weeks after.
import type { EventStore } from '../store/event-store.ts';
import { CountBudget, type CountLimits, expectKept } from './count-budget.ts';
import type { EventFilter } from './event-query.ts';
import { readsPayloads, scan } from './event-series.ts';

export interface ReturningQuery extends EventFilter {
  from: number;
  to: number;
  /** Where weeks start, in order; the first one no later than `from`. */
  weeks: readonly number[];
}

/** The users whose first event of the range is in a week. */
export interface Cohort {
  /** Of that week. */
  start: number;
  users: number;
  /** How many of them have events in each of the weeks after. */
  returned: number[];
}

/** @throws ApiError `too_many_events` */
export async function countReturning(
  store: EventStore,
  { weeks, ...query }: ReturningQuery,
  limits: CountLimits,
): Promise<Cohort[]> {
  const { from, to } = query;
  const users = new WeeksOfUsers(weeks);
  const by = 'userId' as const;
  const budget = new CountBudget(readsPayloads({ ...query, by }) ? 'read' : 'counted', users, limits);
  if (query.userId === undefined) await expectKept(store, [query], budget);
  for (const [week, start] of weeks.entries()) {
    const end = weeks[week + 1] ?? to;
    const period = { from: Math.max(from, start), to: Math.min(to, end) };
    // Week by week: a week with a clock change is shorter or longer.
    const scanned = scan(store, { ...query, ...period, by, origin: start, length: end - start }, budget);
    for await (const counts of scanned) for (const { value } of counts) users.add(value!, week);
  }
  return users.cohorts();
}

/** Memory for a user besides the characters of the id. */
const USER_BYTES = 120;
const BYTES_PER_CHARACTER = 2;
/** More than there are weeks. */
const WEEKS = 256;

class WeeksOfUsers {
  readonly #cohorts: Cohort[];
  /** The first and the latest week of each. */
  readonly #weeks = new Map<string, number>();
  #characters = 0;

  constructor(weeks: readonly number[]) {
    this.#cohorts = weeks.map((start, week) => ({
      start,
      users: 0,
      returned: weeks.slice(week + 1).map(() => 0),
    }));
  }

  /** Its approximate size in memory. */
  get bytes(): number {
    return this.#weeks.size * USER_BYTES + this.#characters * BYTES_PER_CHARACTER;
  }

  /** @param week no earlier than those already added */
  add(userId: string, week: number): void {
    const known = this.#weeks.get(userId);
    if (known === undefined) {
      this.#weeks.set(userId, week * WEEKS + week);
      this.#characters += userId.length;
      this.#cohorts[week]!.users++;
      return;
    }
    if (known % WEEKS === week) return;
    const first = Math.floor(known / WEEKS);
    this.#weeks.set(userId, first * WEEKS + week);
    this.#cohorts[first]!.returned[week - first - 1]!++;
  }

  cohorts(): Cohort[] {
    return this.#cohorts;
  }
}
