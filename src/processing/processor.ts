// In: batches of different partitions and the claims they are processed under. Out: all stored, with their positions.

import type { RejectedRecord } from '../dead-letters/dead-letter-records.ts';
import { sendToDeadLetterTopic } from '../dead-letters/dead-letters.ts';
import type { Catalog } from '../events/catalog.ts';
import { type DecodedEvent, decodeEvent, eventTimeMs, isRejection, isStorable } from '../events/event.ts';
import { recordKey } from '../events/event-ids.ts';
import { payloadDimension, payloadPath, scalarAt } from '../events/payload-path.ts';
import type { EventLog, LogBatch, LogRecord } from '../log/event-log.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { isSampled, type SpanOptions, TRACE_HEADER, type Tracing, traced } from '../observability/tracing.ts';
import {
  type DeadLetterEntry,
  type EventStore,
  type EventToStore,
  HOUR_MS,
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

/** A payload property whose values are counted. */
interface CountedProperty {
  dimension: string;
  path: readonly string[];
}

/** A batch and the claim it is processed under. */
export interface ClaimedBatch
  extends Pick<StoreBatch, 'epoch' | 'fromOffset' | 'fromRewound' | 'rewound' | 'landmarks'> {
  batch: LogBatch;
  /** The first offset of the batch that is not processed yet. */
  firstOffset: number;
}

/** A batch and the outcome of each of its records. */
interface ClassifiedBatch extends ClaimedBatch {
  events: ClassifiedEvent[];
  rejected: RejectedRecord[];
}

/** Decides for each record: stored, duplicate, or dead-lettered. */
export class Processor {
  readonly #options: ProcessorOptions;
  readonly #counted: readonly CountedProperty[];
  #count = 0;

  constructor(options: ProcessorOptions) {
    this.#options = options;
    this.#counted = options.countedProperties.map((member) => {
      const dimension = payloadDimension(member);
      return { dimension, path: payloadPath(dimension)! };
    });
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
    const { log, store, group, metrics, catalog, onStored, tracing } = this.#options;
    const stopTimer = metrics.processSeconds.startTimer();
    const classified = batches.map((claimed) => ({
      ...claimed,
      ...classify(claimed.batch.records, catalog, this.#counted),
    }));
    const deadLetters = await Promise.all(
      classified.map(({ batch, rejected }) => sendToDeadLetterTopic(log, group, batch, rejected)),
    );
    // If we die here: the dead letters are copied again next time; their index holds each origin once.
    const toStore = classified.map((one, at) => toStoreBatch(group, one, deadLetters[at]!));
    const span =
      trace === undefined ? undefined : ({ kind: 'client', parent: trace, attributes: {} } as const);
    const { stored, conflicts } = await traced(
      tracing,
      'store',
      () => span,
      () => store.process(toStore),
    );
    // If we die here: everything is stored, and the next claims continue after it.
    stopTimer();
    onStored(classified.flatMap(({ events }) => events.map(({ key }) => key)));
    metrics.eventConflicts.inc(conflicts);
    for (const [at, one] of classified.entries()) this.#report(one, stored[at]!);
  }

  #report({ batch: { partition }, events, rejected }: ClassifiedBatch, stored: boolean[]): void {
    const { logger, metrics, logEvery, onDuplicates } = this.#options;
    const storedCount = stored.filter(Boolean).length;
    metrics.eventsProcessed.inc({ outcome: 'stored' }, storedCount);
    metrics.eventsProcessed.inc({ outcome: 'duplicate' }, events.length - storedCount);
    metrics.eventsProcessed.inc({ outcome: 'dead-lettered' }, rejected.length);
    if (storedCount < events.length) onDuplicates(events.filter((_event, at) => !stored[at]));
    for (const { record, reason, detail } of rejected) {
      metrics.deadLetters.inc({ reason });
      logger.warn({ partition, offset: record.offset, reason, detail }, '[Consumer] Record dead-lettered');
    }
    if (logEvery === 0 || !logger.isLevelEnabled('info')) return;
    for (const [at, { eventId }] of events.entries()) {
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
  { batch, events, epoch, fromOffset, fromRewound, rewound, firstOffset, landmarks }: ClassifiedBatch,
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
    deadLetters,
    landmarks,
    startOffset: firstOffset,
    // Only offsets that were requested and not returned: a gap before them is not ours to account for.
    withoutRecord: nextOffset - Math.max(firstOffset, fetchedFrom) - records.length,
    lost: Math.max(0, firstOffset - (fromOffset ?? firstOffset)),
    rewound,
  };
}

function classify(
  records: readonly LogRecord[],
  catalog: Catalog,
  counted: readonly CountedProperty[],
): { events: ClassifiedEvent[]; rejected: RejectedRecord[] } {
  const events: ClassifiedEvent[] = [];
  const rejected: RejectedRecord[] = [];
  for (const record of records) {
    const decoded = decodeEvent(record.value, catalog);
    if (isRejection(decoded)) rejected.push({ record, ...decoded });
    else {
      const { eventId, userId, eventType, timestamp } = decoded;
      events.push({
        key: recordKey(eventId, record.headers),
        eventId,
        userId,
        eventType,
        offset: record.offset,
        time: eventTimeMs(timestamp),
        hour: Math.floor(eventTimeMs(timestamp) / HOUR_MS),
        counted: countedValues(decoded, counted),
        json: decoded.json,
      });
    }
  }
  return { events, rejected };
}

/** Values too long to be shown in a list are not counted. */
function countedValues(
  { members, payload }: DecodedEvent,
  counted: readonly CountedProperty[],
): [dimension: string, value: string][] {
  return counted.flatMap(({ dimension, path }) => {
    const value = scalarAt(members, path, payload);
    return value === undefined || !isStorable(value) ? [] : [[dimension, value]];
  });
}
