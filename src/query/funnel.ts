// In: steps, a period and how long they may take. Out: how many users reach each step, exactly.
import { searchSteps } from '../loop-turns.ts';
import type { EventStore, Occurrence, TimePlace } from '../store/event-store.ts';
import { CountBudget, type CountLimits, expectKept } from './count-budget.ts';
import { createPredicate, type EventFilter } from './event-query.ts';
import { type FunnelStep, FunnelTally, type StepEvent } from './funnel-tally.ts';
import { readStepsByTime } from './time-query.ts';

/** Events scanned in one step. A step of the SQLite store blocks everything else for some milliseconds. */
const STEP_EVENTS = 4000;

export interface FunnelQuery extends Pick<EventFilter, 'payload'> {
  /** Event types, in order; one may be repeated. */
  steps: readonly string[];
  /** From the first step to the last, at most. */
  withinMs: number;
  /** When the first step happened; the others may be later. */
  from: number;
  to: number;
}

/** @throws ApiError `too_many_events` */
export async function countFunnel(
  store: EventStore,
  query: FunnelQuery,
  limits: CountLimits,
): Promise<FunnelStep[]> {
  const { steps, withinMs, from, to, payload } = query;
  const tally = new FunnelTally(query);
  const budget = new CountBudget(payload.length > 0 ? 'read' : 'counted', tally, limits);
  const period = { from, to: to + withinMs, eventTypes: [...new Set(steps)] };
  await expectKept(store, [period], budget);
  const found = payload.length > 0 ? readSteps(store, { ...period, payload }) : listSteps(store, period);
  for await (const { events, looked } of found) {
    if (!budget.isWanted) break;
    for (const event of events) tally.add(event);
    budget.spend(looked);
  }
  return tally.result();
}

interface FoundSteps {
  events: Iterable<StepEvent>;
  /** How many were scanned. */
  looked: number;
}

type Period = Required<Pick<FunnelQuery, 'from' | 'to'>> & { eventTypes: readonly string[] };

/** If there are conditions on payloads. */
async function* readSteps(
  store: EventStore,
  query: Period & Pick<EventFilter, 'payload'>,
): AsyncGenerator<FoundSteps> {
  const matches = createPredicate({ payload: query.payload });
  for await (const found of readStepsByTime(store, { ...query, order: 'asc' })) {
    const events = found.filter(matches).map(({ time, json }): StepEvent => {
      const { userId, eventType } = JSON.parse(json) as StepEvent;
      return { userId, eventType, time };
    });
    yield { events, looked: found.length };
  }
}

/** The events of one type, as far as they have been listed. */
interface Listed {
  eventType: string;
  events: Occurrence[];
  /** How many of them have been returned. */
  passed: number;
  after: TimePlace;
  isAtEnd: boolean;
}

/** Merges the types, each of which the store lists in order. */
async function* listSteps(store: EventStore, { from, to, eventTypes }: Period): AsyncGenerator<FoundSteps> {
  const before = { time: to, sequence: 0 };
  const lists = eventTypes.map(
    (eventType): Listed => ({
      eventType,
      events: [],
      passed: 0,
      after: { time: from, sequence: 0 },
      isAtEnd: false,
    }),
  );
  for (;;) {
    for (const list of lists) {
      if (list.isAtEnd || list.passed < list.events.length) continue;
      await searchSteps.next();
      const { eventType, after } = list;
      list.events = await store.counts.occurrences({ eventType, after, before, limit: STEP_EVENTS });
      list.passed = 0;
      list.after = list.events.at(-1) ?? after;
      list.isAtEnd = list.events.length === 0;
    }
    const events = merged(lists.filter(({ isAtEnd }) => !isAtEnd));
    if (events.length === 0) return;
    yield { events, looked: events.length };
  }
}

/** In order, until one of the lists runs out and has to be read on. */
function merged(lists: readonly Listed[]): StepEvent[] {
  const events: StepEvent[] = [];
  while (lists.length > 0 && lists.every(({ events, passed }) => passed < events.length)) {
    const first = lists.reduce((least, list) => (comesBefore(next(list), next(least)) ? list : least));
    const { userId, time } = next(first);
    events.push({ userId, time, eventType: first.eventType });
    first.passed++;
  }
  return events;
}

function next({ events, passed }: Listed): Occurrence {
  return events[passed]!;
}

function comesBefore(a: TimePlace, b: TimePlace): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
}
