import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Admission } from '../access/admission.ts';

/** The result of processing a record. */
export type Outcome = 'stored' | 'duplicate' | 'dead-lettered';

/** Every metric there is. Labels are from closed lists: never a user, an event id or a text a client chose. */
export interface Metrics {
  registry: Registry;
  eventsGenerated: Counter;
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
  appendSeconds: Histogram;
  processSeconds: Histogram;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** @param admission read at each scrape, as is `liveTail` */
export function createMetrics(
  admission: Pick<Admission, 'requests' | 'bytes'>,
  liveTail: { readonly readers: number },
): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'requests_in_flight',
    help: 'Requests for events in progress.',
    registers,
    collect() {
      this.set(admission.requests);
    },
  });
  new Gauge({
    name: 'requests_in_flight_bytes',
    help: 'Bytes reserved for these requests.',
    registers,
    collect() {
      this.set(admission.bytes);
    },
  });
  new Gauge({
    name: 'streams_open',
    help: 'Connected readers of the event stream.',
    registers,
    collect() {
      this.set(liveTail.readers);
    },
  });
  return {
    registry,
    eventsGenerated: new Counter({
      name: 'events_generated_total',
      help: 'Events accepted: durable in the log and answered with 201.',
      registers,
    }),
    eventsRejected: new Counter({
      name: 'events_rejected_total',
      help: 'POSTs not answered with 201, by error code.',
      labelNames: ['code'],
      registers,
    }),
    eventsDuplicate: new Counter({
      name: 'events_duplicate_total',
      help: 'Events sent again with an id that was accepted before: the `same` event, or a different one, which is rejected as a `conflict`.',
      labelNames: ['kind'],
      registers,
    }),
    eventWarnings: new Counter({
      name: 'event_warnings_total',
      help: 'Events accepted with a warning: unknown members that are not kept, or a payload that does not match the schema of its type (mode `warn`).',
      registers,
    }),
    overloadRejections: new Counter({
      name: 'overload_rejections_total',
      help: 'Requests rejected with 503 because too many were in progress.',
      registers,
    }),
    requestsRefused: new Counter({
      name: 'requests_refused_total',
      help: 'Requests answered with 401, 403 or 404, by error code.',
      labelNames: ['code'],
      registers,
    }),
    redrives: new Counter({
      name: 'redrives_total',
      help: 'Requests that redrove dead letters; the log names the key of each.',
      registers,
    }),
    eventsProcessed: new Counter({
      name: 'events_processed_total',
      help: 'Records processed, by outcome.',
      labelNames: ['outcome'],
      registers,
    }),
    eventConflicts: new Counter({
      name: 'event_conflicts_total',
      help: 'Events that were not stored because their id was already stored with a different userId, eventType or payload.',
      registers,
    }),
    deadLetters: new Counter({
      name: 'dead_letters_total',
      help: 'Records sent to the dead-letter topic, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    dataGaps: new Counter({
      name: 'data_gap_records_total',
      help: 'Offsets that the log no longer held when the consumer reached them.',
      labelNames: ['partition'],
      registers,
    }),
    logRewinds: new Counter({
      name: 'log_rewound_records_total',
      help: 'Offsets read again because the records processed there are no longer in the log.',
      labelNames: ['partition'],
      registers,
    }),
    readingRestarts: new Counter({
      name: 'reading_restarts_total',
      help: 'How often reading restarted from the positions in the store because they were not where this instance had left them.',
      registers,
    }),
    watchdogRestarts: new Counter({
      name: 'watchdog_restarts_total',
      help: 'How often the instance rejoined the group because the log delivered no records although there were some.',
      registers,
    }),
    appendSeconds: new Histogram({
      name: 'append_seconds',
      help: 'Time from a valid event to its durable append.',
      buckets: SECONDS,
      registers,
    }),
    processSeconds: new Histogram({
      name: 'process_seconds',
      help: 'Time to classify and store the records of one transaction.',
      buckets: SECONDS,
      registers,
    }),
  };
}
