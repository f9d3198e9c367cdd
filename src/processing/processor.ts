// In: batches of different partitions and the claims they are processed under. Out: all stored, with their positions.

import type { RejectedRecord } from '../dead-letters/dead-letter-records.ts';
import { sendToDeadLetterTopic } from '../dead-letters/dead-letters.ts';
import type { Catalog } from '../events/catalog.ts';
import { countedValuesOf } from '../events/counted-values.ts';
import { decodeEvent, isRejection } from '../events/event.ts';
import { recordKey } from '../events/event-ids.ts';
import { eventTimeMs } from '../events/event-time.ts';
import type { EventLog, LogBatch, LogRecord } from '../log/event-log.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { isSampled, type SpanOptions, TRACE_HEADER, type Tracing, traced } from '../observability/tracing.ts';
import {
  type DeadLetterEntry,
  type EventStore,
  type EventToStore,
  HOUR_MS,
  type KeptDays,
  keeps,
  type StoreBatch,
} from '../store/event-store.ts';

interface ProcessorOptions {
  log: EventLog;
  store: EventStore;
  catalog: Catalog;
  group: string;
  logger: Logger;
  metrics: Metrics;
  /** Undefined: off. */
  tracing?: Tracing | undefined;
  /** Payload properties whose values are counted, such as `cart.currency`. */
  countedProperties: readonly string[];
  /** Log every n-th event; 0: none. */
  logEvery: number;
  /** Called with the keys of newly stored events. */
  onStored(keys: readonly string[]): void;
  /** Told of events that were in the store before; not called for a batch without any. */
  onDuplicates(events: readonly { eventId: string; userId: string; eventType: string }[]): void;
}

/** An event of a batch with its original id, for the log line. */
interface ClassifiedEvent extends EventToStore {
  eventId: string;
}

/** A batch and the claim it is processed under. */
export interface ClaimedBatch
  extends Pick<StoreBatch, 'epoch' | 'fromOffset' | 'fromRewound' | 'rewound' | 'landmarks'> {
  batch: LogBatch;
  /** As of the claim. */
  keptDays: KeptDays;
  /** The first offset of the batch that is not processed yet. */
  firstOffset: number;
}

/** A batch and the outcome of each of its records. */
interface ClassifiedBatch extends ClaimedBatch {
  events: ClassifiedEvent[];
  rejected: RejectedRecord[];
  /** How many events are too old to be stored. */
  expired: number;
}

/** Decides for each record: stored, duplicate, dead-lettered, or too old to be kept. */
export class Processor {
  readonly #options: ProcessorOptions;
  readonly #countedValues: ReturnType<typeof countedValuesOf>;
  #count = 0;

  constructor(options: ProcessorOptions) {
    this.#options = options;
    this.#countedValues = countedValuesOf(options.countedProperties);
  }

  /**
   * Processes batches of different partitions of one topic, all or none.
   *
   * @throws FencedError and the errors of store and log; none of the batches is stored then, unless the outcome is
   *    unknown. Processing them again is safe
   */
  process(batches: readonly ClaimedBatch[]): Promise<void> {
    const { tracing } = this.#options;
    return traced(
      tracing,
      'process',
      () => processingSpan(batches),
      (span) => this.#process(batches, span?.traceparent),
    );
  }

  async #process(batches: readonly ClaimedBatch[], trace: string | undefined): Promise<void> {
    const { log, store, group, metrics, onStored, tracing } = this.#options;
    const stopTimer = metrics.processSeconds.startTimer();
    const classified = batches.map((claimed) => ({
      ...claimed,
      ...this.#classify(claimed.batch.records, claimed.keptDays),
    }));
    const deadLetters = await Promise.all(
      classified.map(({ batch, rejected }) => sendToDeadLetterTopic(log, group, batch, rejected)),
    );
    // If we die here: the dead letters are copied again next time; their index holds each origin once.
    const toStore = classified.map((one, at) => toStoreBatch(group, one, deadLetters[at]!));
    const span =
      trace === undefined ? undefined : ({ kind: 'client', parent: trace, attributes: {} } as const);
    const { stored, conflicts, expired } = await traced(
      tracing,
      'store',
      () => span,
      () => store.process(toStore),
    );
    // If we die here: everything is stored, and the next claims continue after it.
    stopTimer();
    const gone = new Set(expired);
    onStored(
      classified.flatMap(({ events }) => events.map(({ key }) => key)).filter((key) => !gone.has(key)),
    );
    metrics.eventConflicts.inc(conflicts);
    for (const [at, one] of classified.entries()) this.#report(one, stored[at]!, gone);
  }

  #classify(
    records: readonly LogRecord[],
    keptDays: KeptDays,
  ): Pick<ClassifiedBatch, 'events' | 'rejected' | 'expired'> {
    const isKept = keeps(keptDays);
    const events: ClassifiedEvent[] = [];
    const rejected: RejectedRecord[] = [];
    let expired = 0;
    for (const record of records) {
      const decoded = decodeEvent(record.value, this.#options.catalog);
      if (isRejection(decoded)) {
        rejected.push({ record, ...decoded });
        continue;
      }
      const { eventId, userId, eventType, timestamp, members, payload, json } = decoded;
      const key = recordKey(eventId, record.headers);
      const time = eventTimeMs(timestamp);
      const hour = Math.floor(time / HOUR_MS);
      if (isKept({ key, eventId, eventType, hour })) {
        const counted = this.#countedValues(members, payload);
        events.push({ key, eventId, userId, eventType, offset: record.offset, time, hour, counted, json });
      } else expired++;
    }
    return { events, rejected, expired };
  }

  /** @param gone keys of events that were removed before */
  #report(
    { batch: { partition }, events, rejected, expired }: ClassifiedBatch,
    stored: boolean[],
    gone: ReadonlySet<string>,
  ): void {
    const { logger, metrics, logEvery, onDuplicates } = this.#options;
    const again = events.filter((_event, at) => !stored[at]);
    const duplicates = gone.size === 0 ? again : again.filter(({ key }) => !gone.has(key));
    metrics.eventsProcessed.inc({ outcome: 'stored' }, events.length - again.length);
    metrics.eventsProcessed.inc({ outcome: 'duplicate' }, duplicates.length);
    metrics.eventsProcessed.inc({ outcome: 'expired' }, expired + again.length - duplicates.length);
    metrics.eventsProcessed.inc({ outcome: 'dead-lettered' }, rejected.length);
    if (duplicates.length > 0) onDuplicates(duplicates);
    for (const { record, reason, detail } of rejected) {
      metrics.deadLetters.inc({ reason });
      logger.warn({ partition, offset: record.offset, reason, detail }, '[Consumer] Record dead-lettered');
    }
    if (logEvery === 0 || !logger.isLevelEnabled('info')) return;
    for (const [at, { eventId, key }] of events.entries()) {
      if (gone.has(key)) continue;
      if (!stored[at])
        logger.debug({ partition }, `[Consumer] Duplicate event skipped - eventId: ${eventId}`);
      else if (this.#count++ % logEvery === 0) {
        logger.info({ partition }, `[Consumer] Event processed - eventId: ${eventId}`);
      }
    }
  }
}

/** The most links that collectors accept for one step. */
const MOST_LINKS = 128;

/** @returns nothing if no record belongs to a trace that is sent to a collector */
function processingSpan(batches: readonly ClaimedBatch[]): SpanOptions | undefined {
  const traces = new Set<string>();
  for (const { batch } of batches) {
    for (const { headers } of batch.records) {
      if (traces.size === MOST_LINKS) break;
      const trace = headers.find(([name]) => name === TRACE_HEADER)?.[1]?.toString('latin1');
      if (trace !== undefined && isSampled(trace)) traces.add(trace);
    }
  }
  if (traces.size === 0) return undefined;
  const links = [...traces];
  const records = batches.reduce((sum, { batch }) => sum + batch.records.length, 0);
  return {
    kind: 'consumer',
    // A single trace is continued; where there are many, the step belongs to none of them and only links to them.
    parent: links.length === 1 ? links[0] : undefined,
    links,
    attributes: {
      'messaging.destination.name': batches[0]!.batch.topic,
      'messaging.batch.message_count': records,
    },
  };
}

function toStoreBatch(
  group: string,
  {
    batch,
    events,
    expired,
    epoch,
    fromOffset,
    fromRewound,
    rewound,
    firstOffset,
    landmarks,
  }: ClassifiedBatch,
  deadLetters: DeadLetterEntry[],
): StoreBatch {
  const { topic, topicId, partition, nextOffset, fetchedFrom, records } = batch;
  return {
    group,
    topic,
    topicId,
    partition,
    epoch,
    fromOffset,
    fromRewound,
    nextOffset,
    events,
    expired,
    deadLetters,
    landmarks,
    startOffset: firstOffset,
    // Only offsets that were requested and not returned: a gap before them is not ours to account for.
    withoutRecord: nextOffset - Math.max(firstOffset, fetchedFrom) - records.length,
    lost: Math.max(0, firstOffset - (fromOffset ?? firstOffset)),
    rewound,
  };
}
