// In: batches of different partitions and the claims they are processed under. Out: all in the store, with their positions.

import type { RejectedRecord } from '../dead-letters/dead-letter-records.ts';
import { setAside } from '../dead-letters/dead-letters.ts';
import type { Catalogue } from '../events/catalogue.ts';
import { type DecodedEvent, decodeEvent, eventTimeMs, isRejection, isStorable } from '../events/event.ts';
import { recordKey } from '../events/event-ids.ts';
import { payloadDimension, payloadPath, scalarAt } from '../events/payload-path.ts';
import type { EventLog, LogBatch, LogRecord } from '../log/event-log.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import {
  type DeadLetterEntry,
  type EventStore,
  HOUR_MS,
  type StoreBatch,
  type StoredEvent,
} from '../store/event-store.ts';

export interface ProcessorOptions {
  log: EventLog;
  store: EventStore;
  catalogue: Catalogue;
  group: string;
  logger: Logger;
  metrics: Metrics;
  /** Members of payloads whose values are counted, such as `cart.currency`. */
  countedMembers: readonly string[];
  /** Log each n-th event; 0: none. */
  logEvery: number;
  /** Told the keys of events that are in the store now. */
  onStored(keys: readonly string[]): void;
}

/** An event of a batch with the id it carries, for the log line. */
interface DecidedEvent extends StoredEvent {
  eventId: string;
}

/** A member of payloads whose values are counted. */
interface CountedMember {
  dimension: string;
  path: readonly string[];
}

/** A batch and the claim it is processed under. */
export interface PlacedBatch
  extends Pick<StoreBatch, 'epoch' | 'fromOffset' | 'fromRewound' | 'rewound' | 'landmarks'> {
  batch: LogBatch;
  /** The first offset of the batch that is not processed yet. */
  firstOffset: number;
}

/** A batch and what was decided of its records. */
interface DecidedBatch extends PlacedBatch {
  events: DecidedEvent[];
  rejected: RejectedRecord[];
}

/** Decides for each record: stored, duplicate, or dead-lettered. */
export class Processor {
  readonly #options: ProcessorOptions;
  readonly #counted: readonly CountedMember[];
  #count = 0;

  constructor(options: ProcessorOptions) {
    this.#options = options;
    this.#counted = options.countedMembers.map((member) => {
      const dimension = payloadDimension(member);
      return { dimension, path: payloadPath(dimension)! };
    });
  }

  /**
   * Processes batches of different partitions of one topic, all of them or none.
   *
   * @throws Fenced and the errors of store and log; nothing of the batches is stored then, unless the outcome is
   *   unknown, and processing them again is safe
   */
  async process(batches: readonly PlacedBatch[]): Promise<void> {
    const { log, store, group, metrics, catalogue, onStored } = this.#options;
    const stopTimer = metrics.processSeconds.startTimer();
    const decided = batches.map((placed) => ({
      ...placed,
      ...decide(placed.batch.records, catalogue, this.#counted),
    }));
    const deadLetters = await Promise.all(
      decided.map(({ batch, rejected }) => setAside(log, group, batch, rejected)),
    );
    // If we die here: the dead letters are copied once more next time; their index has each origin once.
    const { stored, conflicts } = await store.process(
      decided.map((one, at) => toStoreBatch(group, one, deadLetters[at]!)),
    );
    // If we die here: all is stored, and the next claims continue behind it.
    stopTimer();
    onStored(decided.flatMap(({ events }) => events.map(({ key }) => key)));
    metrics.eventConflicts.inc(conflicts);
    for (const [at, one] of decided.entries()) this.#report(one, stored[at]!);
  }

  #report({ batch: { partition }, events, rejected }: DecidedBatch, stored: boolean[]): void {
    const { logger, metrics, logEvery } = this.#options;
    const storedCount = stored.filter(Boolean).length;
    metrics.eventsProcessed.inc({ outcome: 'stored' }, storedCount);
    metrics.eventsProcessed.inc({ outcome: 'duplicate' }, events.length - storedCount);
    metrics.eventsProcessed.inc({ outcome: 'dead-lettered' }, rejected.length);
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

function toStoreBatch(
  group: string,
  { batch, events, epoch, fromOffset, fromRewound, rewound, firstOffset, landmarks }: DecidedBatch,
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
    // Only what was asked for and not answered: a hole before that is nobody's to explain away.
    withoutRecord: nextOffset - Math.max(firstOffset, fetchedFrom) - records.length,
    lost: Math.max(0, firstOffset - (fromOffset ?? firstOffset)),
    rewound,
  };
}

function decide(
  records: readonly LogRecord[],
  catalogue: Catalogue,
  counted: readonly CountedMember[],
): { events: DecidedEvent[]; rejected: RejectedRecord[] } {
  const events: DecidedEvent[] = [];
  const rejected: RejectedRecord[] = [];
  for (const record of records) {
    const decoded = decodeEvent(record.value, catalogue);
    if (isRejection(decoded)) rejected.push({ record, ...decoded });
    else {
      const { eventId, userId, eventType, timestamp } = decoded;
      events.push({
        ...{ key: recordKey(eventId, record.headers), eventId, userId, eventType, offset: record.offset },
        hour: Math.floor(eventTimeMs(timestamp) / HOUR_MS),
        counted: countedValues(decoded, counted),
        json: decoded.json,
      });
    }
  }
  return { events, rejected };
}

/** Values that are too long to be looked at as a list are not counted. */
function countedValues(
  { members, payload }: DecodedEvent,
  counted: readonly CountedMember[],
): [dimension: string, value: string][] {
  return counted.flatMap(({ dimension, path }) => {
    const value = scalarAt(members, path, payload);
    return value === undefined || !isStorable(value) ? [] : [[dimension, value]];
  });
}
