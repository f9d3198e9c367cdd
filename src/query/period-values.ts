// In: a period. Out: how many of its events have each value: of whole hours from memory where they are kept.
import { searchSteps } from '../loop-turns.ts';
import { type EventStore, HOUR_MS, type HourCount, type TimedEvent } from '../store/event-store.ts';
import { type CountBudget, keptCounts, wholeHours } from './count-budget.ts';
import { createPredicate, type EventFilter } from './event-query.ts';
import { type ReadEvent, readValues, type ValueReader } from './event-values.ts';
import { HourTally, type KeptValues, tell, type Use } from './kept-values.ts';
import { readStepsByTime } from './time-query.ts';

/** An hour with more of them is not kept: while it is counted, it would take too much memory. */
const MOST_VALUES_BYTES = 10_000_000;
/** Kept values that are told in one step. */
const STEP_VALUES = 50_000;

export interface Period {
  from: number;
  to: number;
}

/** The values of the events that match. */
export class PeriodValues {
  readonly #store: EventStore;
  readonly #filter: EventFilter;
  readonly #kept: KeptValues;
  readonly #use: Use;
  /** Up to here nothing is added. */
  readonly #stable: number;
  #tally = new HourTally();
  #told = 0;

  private constructor(store: EventStore, filter: EventFilter, kept: KeptValues, use: Use, stable: number) {
    this.#store = store;
    this.#filter = filter;
    this.#kept = kept;
    this.#use = use;
    this.#stable = stable;
  }

  static async begin(
    store: EventStore,
    { userId, eventTypes, payload }: EventFilter,
    kept: KeptValues,
  ): Promise<PeriodValues> {
    const { stable } = await store.watermarks();
    return new PeriodValues(store, { userId, eventTypes, payload }, kept, await kept.begin(store), stable);
  }

  /** What is being counted. */
  get bytes(): number {
    return this.#tally.bytes;
  }

  /** @returns how many events match */
  async tell<Group>(period: Period, reader: ValueReader<Group>, budget: CountBudget): Promise<number> {
    const { userId, eventTypes, payload } = this.#filter;
    const { from, to } = wholeHours(period);
    if (userId !== undefined || payload.length > 0 || from >= to) return this.#read(period, reader, budget);
    let events = await this.#read({ from: period.from, to: from * HOUR_MS }, reader, budget);
    for await (const counts of keptCounts(this.#store, { from, to }, eventTypes, budget)) {
      events += await this.#tellHours(counts, reader, budget);
    }
    return events + (await this.#read({ from: to * HOUR_MS, to: period.to }, reader, budget));
  }

  async #read<Group>(period: Period, reader: ValueReader<Group>, budget: CountBudget): Promise<number> {
    let events = 0;
    const { userId, eventTypes, payload } = this.#filter;
    // The other conditions are met by what is read.
    const matches = createPredicate(userId === undefined ? { payload } : { eventTypes, payload });
    for await (const found of this.#steps(period)) {
      if (!budget.isWanted) break;
      for (const event of found) {
        if (!matches(event)) continue;
        events++;
        readValues(JSON.parse(event.json) as ReadEvent, event.json, reader);
      }
      budget.spend(found.length);
    }
    return events;
  }

  /** @param counts of hours, oldest first */
  async #tellHours<Group>(
    counts: readonly HourCount[],
    reader: ValueReader<Group>,
    budget: CountBudget,
  ): Promise<number> {
    let events = 0;
    /** Hours that are not kept, one after the other: they are read together. */
    let missing: Period | undefined;
    for (const [hour, own] of Map.groupBy(counts, (one) => one.hour)) {
      const known = this.#kept.get(this.#use, hour, own);
      if (known === undefined) {
        missing = { from: missing?.from ?? hour, to: hour + 1 };
        continue;
      }
      if (missing !== undefined) events += await this.#readHours(missing, reader, budget);
      missing = undefined;
      for (const values of known) {
        events += tell(values, reader);
        budget.spend(values.events);
        await this.#pauseAfter(values.size);
      }
    }
    return missing === undefined ? events : events + (await this.#readHours(missing, reader, budget));
  }

  async #pauseAfter(values: number): Promise<void> {
    this.#told += values;
    if (this.#told < STEP_VALUES) return;
    this.#told = 0;
    await searchSteps.next();
  }

  /** Reads hours, and keeps them. One that is not read to its end has fewer events than the store says, and is not found. */
  async #readHours<Group>(
    { from, to }: Period,
    reader: ValueReader<Group>,
    budget: CountBudget,
  ): Promise<number> {
    const hours = new HourReading(this.#stable);
    let events = 0;
    const finish = () => {
      const { hour, isWhole, newest } = hours;
      const types = this.#tally.result();
      this.#tally = new HourTally();
      for (const values of types.values()) tell(values, reader);
      if (isWhole && newest !== undefined) this.#kept.keep(this.#use, hour, types, newest);
    };
    for await (const found of this.#steps({ from: from * HOUR_MS, to: to * HOUR_MS })) {
      if (!budget.isWanted) break;
      for (const event of found) {
        if (hours.isAfter(event)) {
          finish();
          hours.begin(event);
        }
        hours.add(event);
        this.#tally.add(event.json);
        if (this.#tally.bytes > MOST_VALUES_BYTES) {
          hours.isWhole = false;
          finish();
        }
      }
      events += found.length;
      budget.spend(found.length);
    }
    finish();
    return events;
  }

  #steps({ from, to }: Period): AsyncGenerator<TimedEvent[]> {
    const { userId, eventTypes } = this.#filter;
    return readStepsByTime(this.#store, { userId, eventTypes, payload: [], from, to, order: 'asc' });
  }
}

/** The hour that is being read. */
class HourReading {
  readonly #stable: number;
  hour = Number.NaN;
  /** Whether its values can be kept. */
  isWhole = true;
  /** The latest of its events. */
  newest: TimedEvent | undefined;

  constructor(stable: number) {
    this.#stable = stable;
  }

  isAfter({ time }: TimedEvent): boolean {
    return Math.floor(time / HOUR_MS) !== this.hour;
  }

  begin({ time }: TimedEvent): void {
    this.hour = Math.floor(time / HOUR_MS);
    this.isWhole = true;
    this.newest = undefined;
  }

  add(event: TimedEvent): void {
    // Others may still be stored before it.
    if (event.sequence > this.#stable) this.isWhole = false;
    if (this.newest === undefined || event.sequence > this.newest.sequence) this.newest = event;
  }
}
