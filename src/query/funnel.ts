// In: steps, a period and how long they may take. Out: how many users reach each step, exactly.
import { type PayloadCheck, type PayloadCondition, payloadCheck } from '../events/payload-conditions.ts';
import { rawMembers } from '../json/raw-json.ts';
import { searchSteps } from '../loop-turns.ts';
import type { EventStore, TimePlace } from '../store/event-store.ts';
import { CountBudget, type CountLimits, expectKept } from './count-budget.ts';
import { FunnelTally, type ReachedStep, type StepEvent } from './funnel-tally.ts';
import { comesBefore, readStepsByTime } from './time-query.ts';

/** Events scanned in one step. A step of the SQLite store blocks everything else for some milliseconds. */
const STEP_EVENTS = 4000;

export interface FunnelQuery {
  /** In order; one may be repeated. */
  steps: readonly AskedStep[];
  /** From the first step to the last, at most. */
  withinMs: number;
  /** When the first step happened; the others may be later. */
  from: number;
  to: number;
}

/** Which events are a step: all conditions must hold. */
export interface AskedStep {
  eventType: string;
  payload: readonly PayloadCondition[];
}

export interface FunnelStep extends ReachedStep {
  eventType: string;
}

/** @throws ApiError `too_many_events` */
export async function countFunnel(
  store: EventStore,
  { steps, withinMs, from, to }: FunnelQuery,
  limits: CountLimits,
): Promise<FunnelStep[]> {
  const tally = new FunnelTally({ steps: steps.length, withinMs, to });
  const readsPayloads = steps.some(({ payload }) => payload.length > 0);
  const budget = new CountBudget(readsPayloads ? 'read' : 'counted', tally, limits);
  const types = typesOf(steps);
  const period = { from, to: to + withinMs };
  await expectKept(store, [{ ...period, eventTypes: types.map(({ eventType }) => eventType) }], budget);
  for await (const { events, looked } of merged(types.map((type) => scan(store, period, type)))) {
    if (!budget.isWanted) break;
    for (const event of events) tally.add(event);
    budget.spend(looked);
  }
  return tally.result().map((reached, at) => ({ eventType: steps[at]!.eventType, ...reached }));
}

interface Period {
  from: number;
  to: number;
}

interface TypeSteps {
  eventType: string;
  /** Those of this type, the last one first, so that an event is only one step of a path. */
  steps: { step: number; checks: PayloadCheck[] }[];
}

function typesOf(steps: readonly AskedStep[]): TypeSteps[] {
  const known = steps.map(({ eventType, payload }, step) => ({
    eventType,
    step,
    checks: payload.map(payloadCheck),
  }));
  const byType = Map.groupBy(known, ({ eventType }) => eventType);
  return [...byType].map(([eventType, own]) => ({ eventType, steps: own.reverse() }));
}

type FoundStep = StepEvent & TimePlace;

interface FoundSteps {
  events: FoundStep[];
  /** How many were scanned. */
  looked: number;
}

/** The events of a type that may be steps, in the order of their times. */
function scan(store: EventStore, period: Period, type: TypeSteps): AsyncGenerator<FoundSteps> {
  const isRead = type.steps.some(({ checks }) => checks.length > 0);
  return isRead ? readEvents(store, period, type) : listEvents(store, period, type);
}

/** If there are conditions on payloads. */
async function* readEvents(
  store: EventStore,
  period: Period,
  { eventType, steps }: TypeSteps,
): AsyncGenerator<FoundSteps> {
  const query = { ...period, eventTypes: [eventType], payload: [], order: 'asc' } as const;
  for await (const found of readStepsByTime(store, query)) {
    const events = found.map(({ time, sequence, json }): FoundStep => {
      const { userId, payload } = JSON.parse(json) as { userId: string; payload: unknown };
      const text = () => rawMembers(json).get('payload')!;
      const met = steps.filter(({ checks }) => checks.every((meets) => meets(payload, text)));
      return { userId, time, sequence, steps: met.map(({ step }) => step) };
    });
    yield { events: events.filter((event) => event.steps.length > 0), looked: found.length };
  }
}

/** From the store's index, without reading the events. */
async function* listEvents(
  store: EventStore,
  { from, to }: Period,
  { eventType, steps: own }: TypeSteps,
): AsyncGenerator<FoundSteps> {
  const steps = own.map(({ step }) => step);
  const before = { time: to, sequence: 0 };
  let after: TimePlace = { time: from, sequence: 0 };
  for (;;) {
    await searchSteps.next();
    const found = await store.counts.occurrences({ eventType, after, before, limit: STEP_EVENTS });
    if (found.length === 0) return;
    yield { events: found.map((one) => ({ ...one, steps })), looked: found.length };
    after = found.at(-1)!;
  }
}

/** The events of one type, as far as they have been found. */
interface Listed {
  source: AsyncGenerator<FoundSteps>;
  events: FoundStep[];
  /** How many of them have been returned. */
  passed: number;
}

/** All of them in the order of their times. What was scanned is said before its events. */
async function* merged(sources: readonly AsyncGenerator<FoundSteps>[]): AsyncGenerator<FoundSteps> {
  const lists = new Set(sources.map((source): Listed => ({ source, events: [], passed: 0 })));
  while (lists.size > 0) {
    const used = lists.values().find(({ passed, events }) => passed === events.length);
    if (used === undefined) {
      yield { events: firstOf([...lists]), looked: 0 };
      continue;
    }
    const { value, done } = await used.source.next();
    if (done) {
      lists.delete(used);
      continue;
    }
    used.events = value.events;
    used.passed = 0;
    yield { events: [], looked: value.looked };
  }
}

/** In order, until one of the lists runs out and has to be read on. */
function firstOf(lists: readonly Listed[]): FoundStep[] {
  const events: FoundStep[] = [];
  while (lists.every(({ events, passed }) => passed < events.length)) {
    const first = lists.reduce((least, list) => (comesBefore(next(list), next(least)) ? list : least));
    events.push(next(first));
    first.passed++;
  }
  return events;
}

function next({ events, passed }: Listed): FoundStep {
  return events[passed]!;
}
