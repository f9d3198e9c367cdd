// In: a selected period and one to compare it with. Out: the values that more of the selected events have, counted exactly.
import { conditionName } from '../events/payload-conditions.ts';
import type { EventStore } from '../store/event-store.ts';
import { CountBudget, type CountLimits, expectKept } from './count-budget.ts';
import type { EventFilter } from './event-query.ts';
import { FIELDS } from './event-values.ts';
import { type CountedValue, FrequentValues } from './frequent-values.ts';
import type { KeptValues } from './kept-values.ts';
import { type Period, PeriodValues } from './period-values.ts';

/** Values that are counted at a time. */
const MOST_VALUES = 10_000;

export interface DifferenceQuery extends EventFilter {
  /** What is selected. */
  from: number;
  to: number;
  /** What it is compared with: all of this that is not selected. */
  baselineFrom: number;
  baselineTo: number;
  /** How many values are listed. */
  top: number;
}

/** A value that a greater share of the selected events has. */
export interface ValueDifference {
  /** Of the filter that finds it. */
  name: string;
  value: string;
  events: number;
  baselineEvents: number;
}

export interface Difference {
  /** Selected events. */
  events: number;
  baselineEvents: number;
  /** Every value that at least so many of the selected events have was compared. */
  comparedFrom: number;
  /** The greatest difference between the shares first. */
  values: ValueDifference[];
}

/** @param kept values of hours read before @throws ApiError `too_many_events` */
export async function findDifference(
  store: EventStore,
  query: DifferenceQuery,
  limits: CountLimits,
  kept: KeptValues,
): Promise<Difference> {
  const values = new FrequentValues(MOST_VALUES);
  const read = await PeriodValues.begin(store, query, kept);
  const held = {
    get bytes() {
      return values.bytes + read.bytes;
    },
  };
  const budget = new CountBudget('read', held, limits);
  const selection = { from: query.from, to: query.to };
  const baseline = restOf(query);
  if (query.userId === undefined) {
    const periods = [selection, ...baseline].map((one) => ({ ...one, eventTypes: query.eventTypes }));
    await expectKept(store, periods, budget);
  }
  let events = await read.tell(selection, values.finder, budget);
  if (values.least > 1) {
    values.restart();
    events = await read.tell(selection, values.counter('selected'), budget);
  }
  let baselineEvents = 0;
  const counter = values.counter('baseline');
  for (const period of baseline) baselineEvents += await read.tell(period, counter, budget);

  const all = [...values.values()].filter(({ selected }) => selected >= values.least);
  return {
    events,
    baselineEvents,
    comparedFrom: values.least,
    values: ranked(all, { events, baselineEvents }).slice(0, query.top).map(toDifference),
  };
}

/** Before and after what is selected, without what is empty: each period costs queries. */
function restOf({ from, to, baselineFrom, baselineTo }: DifferenceQuery): Period[] {
  return [
    { from: baselineFrom, to: Math.min(baselineTo, from) },
    { from: Math.max(baselineFrom, to), to: baselineTo },
  ].filter((period) => period.from < period.to);
}

interface Totals {
  events: number;
  baselineEvents: number;
}

/** Those with a greater share, by how much greater it is. Exact: a million events squared is less than 2^53. */
function ranked(values: readonly CountedValue[], { events, baselineEvents }: Totals): CountedValue[] {
  const excess = ({ selected, baseline }: CountedValue) =>
    baselineEvents === 0 ? selected : selected * baselineEvents - baseline * events;
  return values
    .map((one) => ({ one, by: excess(one), kind: kindOf(one) }))
    .filter(({ by }) => by > 0)
    .sort((a, b) => b.by - a.by || a.kind - b.kind || compare(a.one, b.one))
    .map(({ one }) => one);
}

const KINDS = Object.values(FIELDS).toReversed();

/** The plainest first: types, users, values of payloads, and what has a property at all. */
function kindOf({ property, value }: CountedValue): number {
  const field = KINDS.indexOf(property);
  if (field !== -1) return field;
  return value === null ? KINDS.length + 1 : KINDS.length;
}

function compare(a: CountedValue, b: CountedValue): number {
  if (a.property !== b.property) return a.property < b.property ? -1 : 1;
  return (a.value ?? '') < (b.value ?? '') ? -1 : 1;
}

function toDifference({ property, value, selected, baseline }: CountedValue): ValueDifference {
  return { ...conditionOf(property, value), events: selected, baselineEvents: baseline };
}

function conditionOf(property: string, value: string | null): Pick<ValueDifference, 'name' | 'value'> {
  if (property.startsWith('.')) return { name: property.slice(1), value: value! };
  return value === null
    ? { name: conditionName(property, 'exists'), value: 'true' }
    : { name: conditionName(property, 'eq'), value };
}
