import type { Counter, Histogram, Registry } from 'prom-client';
import type { Admission } from '../access/admission.ts';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { REJECTION_REASONS } from '../events/event.ts';
import type { AppendFailure } from '../log/event-log.ts';
import { EventTally, type KnownSenders } from './event-tally.ts';
import { KNOWN_LATER, type Meter } from './meter.ts';

/** The result of processing a record. */
export const OUTCOMES = ['stored', 'duplicate', 'dead-lettered', 'expired'] as const;

/** What the code counts into. Labels are from closed lists: never a user, an event id or a text a client chose. */
export interface Metrics {
  registry: Registry;
  eventsGenerated: Counter;
  eventTally: Pick<EventTally, 'sent' | 'accepted'>;
  eventsRejected: Counter<'code'>;
  overloadRejections: Counter;
  requestsRefused: Counter<'code'>;
  redrives: Counter;
  eventsDuplicate: Counter<'kind'>;
  eventWarnings: Counter;
  eventsProcessed: Counter<'outcome'>;
  eventConflicts: Counter;
  deadLetters: Counter<'reason'>;
  dataGaps: Counter<'partition'>;
  logRewinds: Counter<'partition'>;
  readingRestarts: Counter;
  watchdogRestarts: Counter;
  appendFailures: Counter<'failure'>;
  appendSeconds: Histogram;
  processSeconds: Histogram;
  retentionRemoved: Counter<'kind'>;
  retentionFailures: Counter;
  storeFailures: Counter<'operation'>;
  storeSeconds: Histogram<'operation'>;
  httpSeconds: Histogram<'method' | 'route' | 'status'>;
}

/** Of requests refused for their sender or their target. */
export const REFUSALS: readonly number[] = [401, 403, 404];
const CODES = Object.keys(ERRORS) as ErrorCode[];

const NO_SENDERS: KnownSenders = { keys: [], types: [] };

const APPEND_FAILURES: readonly AppendFailure[] = ['unconfirmed', 'too-large', 'refused'];

export function createMetrics(meter: Meter, senders: KnownSenders = NO_SENDERS): Metrics {
  return {
    registry: meter.registry,
    eventsGenerated: meter.counter({
      name: 'events_generated_total',
      help: 'Events accepted: durable in the log and answered with 201.',
    }),
    eventTally: new EventTally(meter, senders),
    eventsRejected: meter.counter({
      name: 'events_rejected_total',
      help: 'POSTs not answered with 201, by error code.',
      labels: { code: CODES },
    }),
    eventsDuplicate: meter.counter({
      name: 'events_duplicate_total',
      help: 'Events sent again with an id that was accepted before: the `same` event, or a different one, which is rejected as a `conflict`.',
      labels: { kind: ['same', 'conflict'] },
    }),
    eventWarnings: meter.counter({
      name: 'event_warnings_total',
      help: 'Events accepted with a warning: unknown members that are not kept, or a payload that does not match the schema of its type (mode `warn`).',
    }),
    overloadRejections: meter.counter({
      name: 'overload_rejections_total',
      help: 'Requests rejected with 503 because too many were in progress.',
    }),
    requestsRefused: meter.counter({
      name: 'requests_refused_total',
      help: 'Requests answered with 401, 403 or 404, by error code.',
      labels: { code: CODES.filter((code) => REFUSALS.includes(ERRORS[code].status)) },
    }),
    redrives: meter.counter({
      name: 'redrives_total',
      help: 'Requests that redrove dead letters; the log names the key of each.',
    }),
    eventsProcessed: meter.counter({
      name: 'events_processed_total',
      help: 'Records processed, by outcome.',
      labels: { outcome: OUTCOMES },
    }),
    eventConflicts: meter.counter({
      name: 'event_conflicts_total',
      help: 'Events that were not stored because their id was already stored with a different userId, eventType or payload.',
    }),
    deadLetters: meter.counter({
      name: 'dead_letters_total',
      help: 'Records sent to the dead-letter topic, by reason.',
      labels: { reason: REJECTION_REASONS },
    }),
    dataGaps: meter.counter({
      name: 'data_gap_records_total',
      help: 'Offsets that the log no longer held when the consumer reached them.',
      labels: { partition: KNOWN_LATER },
    }),
    logRewinds: meter.counter({
      name: 'log_rewound_records_total',
      help: 'Offsets read again because the records processed there are no longer in the log.',
      labels: { partition: KNOWN_LATER },
    }),
    readingRestarts: meter.counter({
      name: 'reading_restarts_total',
      help: 'How often reading restarted from the positions in the store because they were not where this instance had left them.',
    }),
    watchdogRestarts: meter.counter({
      name: 'watchdog_restarts_total',
      help: 'How often the instance rejoined the group because the log delivered no records although there were some.',
    }),
    appendFailures: meter.counter({
      name: 'append_failures_total',
      help: 'Events that the log did not confirm, or does not take.',
      labels: { failure: APPEND_FAILURES },
    }),
    appendSeconds: meter.histogram({
      name: 'append_seconds',
      help: 'Time from a valid event to its durable append.',
    }),
    processSeconds: meter.histogram({
      name: 'process_seconds',
      help: 'Time to classify and store the records of one transaction.',
    }),
    retentionRemoved: meter.counter({
      name: 'retention_removed_total',
      help: 'What this instance removed because it was past its retention.',
      labels: { kind: ['event', 'dead-letter', 'log-record'] },
    }),
    retentionFailures: meter.counter({
      name: 'retention_failures_total',
      help: 'How often what is past its retention could not be removed. It is tried again after a minute.',
    }),
    storeFailures: meter.counter({
      name: 'store_failures_total',
      help: 'Operations of the store that failed, also those that are tried again.',
      labels: { operation: KNOWN_LATER },
    }),
    storeSeconds: meter.histogram({
      name: 'store_seconds',
      help: 'Time of each operation of the store, including those that fail.',
      labelNames: ['operation'],
    }),
    httpSeconds: meter.histogram({
      name: 'http_request_seconds',
      help: 'Time from the headers of a request to the end of its response, streams excepted. Requests that belong to no route have the route `none`.',
      labelNames: ['method', 'route', 'status'],
    }),
  };
}

/** What is in progress, read at each scrape. */
export function registerWork(
  meter: Meter,
  admission: Pick<Admission, 'requests' | 'bytes'>,
  liveTail: { readonly readers: number },
): void {
  meter.gauge({
    name: 'requests_in_flight',
    help: 'Requests for events in progress.',
    collect: (gauge) => gauge.set(admission.requests),
  });
  meter.gauge({
    name: 'requests_in_flight_bytes',
    help: 'Bytes reserved for these requests.',
    collect: (gauge) => gauge.set(admission.bytes),
  });
  meter.gauge({
    name: 'streams_open',
    help: 'Connected readers of the event stream.',
    collect: (gauge) => gauge.set(liveTail.readers),
  });
}
