import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Admission } from '../access/admission.ts';

/** What became of a consumed record. */
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
    help: 'Requests for events being worked on.',
    registers,
    collect() {
      this.set(admission.requests);
    },
  });
  new Gauge({
    name: 'requests_in_flight_bytes',
    help: 'Bytes these requests may take.',
    registers,
    collect() {
      this.set(admission.bytes);
    },
  });
  new Gauge({
    name: 'streams_open',
    help: 'Readers of the stream of events.',
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
      help: 'Events sent again under an id that was accepted before: the `same`, or another, which is refused as a `conflict`.',
      labelNames: ['kind'],
      registers,
    }),
    eventWarnings: new Counter({
      name: 'event_warnings_total',
      help: 'Events taken with a warning: members that are not kept, or a payload against the schema of its type (mode warn).',
      registers,
    }),
    overloadRejections: new Counter({
      name: 'overload_rejections_total',
      help: 'Requests turned away with 503 because too many were being worked on.',
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
      help: 'Requests that sent dead letters back; the log says whose key each came with.',
      registers,
    }),
    eventsProcessed: new Counter({
      name: 'events_processed_total',
      help: 'Records consumed, by what became of them.',
      labelNames: ['outcome'],
      registers,
    }),
    eventConflicts: new Counter({
      name: 'event_conflicts_total',
      help: 'Consumed events not stored whose id was stored with another userId, eventType or payload.',
      registers,
    }),
    deadLetters: new Counter({
      name: 'dead_letters_total',
      help: 'Records set aside in the dead-letter topic, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    dataGaps: new Counter({
      name: 'data_gap_records_total',
      help: 'Offsets the log no longer held when they were to be read.',
      labelNames: ['partition'],
      registers,
    }),
    logRewinds: new Counter({
      name: 'log_rewound_records_total',
      help: 'Offsets read again because the log no longer holds the records that were processed there.',
      labelNames: ['partition'],
      registers,
    }),
    readingRestarts: new Counter({
      name: 'reading_restarts_total',
      help: 'How often reading started over from the positions in the store, because they are not where this instance left them.',
      registers,
    }),
    watchdogRestarts: new Counter({
      name: 'watchdog_restarts_total',
      help: 'How often the group was joined again because no records were delivered although there were some.',
      registers,
    }),
    appendSeconds: new Histogram({
      name: 'append_seconds',
      help: 'From a valid event to its durable append.',
      buckets: SECONDS,
      registers,
    }),
    processSeconds: new Histogram({
      name: 'process_seconds',
      help: 'Deciding and storing what is stored in one transaction.',
      buckets: SECONDS,
      registers,
    }),
  };
}
