import { pino } from 'pino';
import { Counter, Histogram, Registry } from 'prom-client';
import type { Logger } from '../../src/observability/logger.ts';
import type { Metrics } from '../../src/observability/metrics.ts';

/** Says nothing, and takes no time for it. */
export const SILENT: Logger = pino({ level: 'silent' });

/** A logger whose lines are put into the trace. */
export function tracingLogger(note: (line: string) => void): Logger {
  const base = {
    level: 'trace',
    base: null,
    timestamp: false,
    serializers: { err: (error: Error) => error.message },
  };
  return pino(base, { write: (line: string) => note(line.trim()) });
}

function counter<Label extends string>(): Counter<Label> {
  const one = new Counter<Label>({ name: 'uncounted', help: '-', registers: [] });
  return Object.assign(one, { inc() {} });
}

function histogram<Label extends string>(): Histogram<Label> {
  const one = new Histogram<Label>({ name: 'uncounted', help: '-', registers: [] });
  return Object.assign(one, { startTimer: () => () => 0 });
}

/** Metrics that count nothing: they would take more time than what they count. */
const UNCOUNTED: Metrics = {
  registry: new Registry(),
  eventsGenerated: counter(),
  eventTally: { sent() {}, accepted() {} },
  eventsRejected: counter(),
  overloadRejections: counter(),
  requestsRefused: counter(),
  redrives: counter(),
  eventsDuplicate: counter(),
  eventWarnings: counter(),
  eventsProcessed: counter(),
  eventConflicts: counter(),
  deadLetters: counter(),
  dataGaps: counter(),
  logRewinds: counter(),
  readingRestarts: counter(),
  watchdogRestarts: counter(),
  appendFailures: counter(),
  appendSeconds: histogram(),
  processSeconds: histogram(),
  retentionRemoved: counter(),
  retentionFailures: counter(),
  storeFailures: counter(),
  storeSeconds: histogram(),
  httpSeconds: histogram(),
};

/** The same, but told when it is said that the log went back. */
export function noticing(logWentBack: () => void): Metrics {
  return {
    ...UNCOUNTED,
    logRewinds: Object.assign(Object.create(UNCOUNTED.logRewinds), {
      inc: (_labels: object, records: number) => {
        if (records > 0) logWentBack();
      },
    }),
  };
}
