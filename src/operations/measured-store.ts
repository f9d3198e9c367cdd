// In: a store. Out: the same store, with the time and the failures of each operation in the metrics.
import type { Metrics } from '../observability/metrics.ts';
import { type EventCounts, type EventRetention, type EventStore, FencedError } from '../store/event-store.ts';

type Operation =
  | Exclude<keyof EventStore, 'storeId' | 'counts' | 'retention' | 'ping' | 'close'>
  | keyof EventCounts
  | keyof EventRetention;

/** All of them, so that failures of each are 0 from the start. */
const OPERATIONS: Record<Operation, true> = {
  claim: true,
  process: true,
  get: true,
  watermarks: true,
  read: true,
  readByTime: true,
  positions: true,
  deadLetters: true,
  countWaiting: true,
  markRedriven: true,
  totals: true,
  byHour: true,
  distinctByDay: true,
  topValues: true,
  valuesFrom: true,
  ofUser: true,
  sequenceRange: true,
  byInterval: true,
  occurrences: true,
  keptDays: true,
  today: true,
  keepFrom: true,
  remove: true,
  removedKeys: true,
  removeDeadLetters: true,
};

export function measuredStore(
  store: EventStore,
  metrics: Pick<Metrics, 'storeSeconds' | 'storeFailures'>,
): EventStore {
  for (const operation of Object.keys(OPERATIONS)) metrics.storeFailures.inc({ operation }, 0);
  const counts = measured(store.counts, metrics);
  const retention = measured(store.retention, metrics);
  return measured(store, metrics, { counts, retention });
}

/** @param instead members that are replaced */
function measured<Part extends object>(
  part: Part,
  metrics: Pick<Metrics, 'storeSeconds' | 'storeFailures'>,
  instead: Partial<Part> = {},
): Part {
  const known = new WeakMap<Method, Method>();
  return new Proxy(part, {
    get(target, name) {
      if (Object.hasOwn(instead, name)) return instead[name as keyof Part];
      const member = Reflect.get(target, name, target) as Method | undefined;
      if (typeof member !== 'function') return member;
      const measuring = known.get(member) ?? measureCalls(target, member, name, metrics);
      known.set(member, measuring);
      return measuring;
    },
  });
}

type Method = (...args: unknown[]) => unknown;

function measureCalls(
  target: object,
  method: Method,
  name: PropertyKey,
  { storeSeconds, storeFailures }: Pick<Metrics, 'storeSeconds' | 'storeFailures'>,
): Method {
  if (!Object.hasOwn(OPERATIONS, name)) return method.bind(target);
  const labels = { operation: name as Operation };
  return async (...args) => {
    const stop = storeSeconds.startTimer(labels);
    try {
      return await method.apply(target, args);
    } catch (error) {
      // That one is an answer: another writer holds the partition.
      if (!(error instanceof FencedError)) storeFailures.inc(labels);
      throw error;
    } finally {
      stop();
    }
  };
}
