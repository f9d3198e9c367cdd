// In: records that are not valid events. Out: the dead-letter topic and its index, and from there back to their topic.

import { eventKey } from '../events/event.ts';
import {
  AppendError,
  type AppendResult,
  type EventLog,
  type LogBatch,
  type LogRecord,
  type RecordPosition,
  unwrapReceipts,
} from '../log/event-log.ts';
import { recordDigest } from '../log/landmarks.ts';
import type { DeadLetter, DeadLetterEntry, DeadLetterQuery, EventStore } from '../store/event-store.ts';
import {
  attemptHeader,
  attemptOf,
  deadLetterOf,
  deadLetterTopic,
  isDeadLetterOf,
  isReference,
  isReferredTo,
  originalHeaders,
  type RejectedRecord,
  referenceTo,
  sizeOf,
} from './dead-letter-records.ts';

const REDRIVE_CHUNK = 200;

/**
 * Copies records to the dead-letter topic, with origin and reason in headers. If that topic permanently refuses one,
 * usually because of its size, only these headers are kept: the partition always moves on. Resolves once they are
 * durable there; only then may the partition's position move.
 *
 * @returns the index entries for the store, in the same order
 * @throws the retryable errors of `EventLog.append`; copying again is safe, the store indexes each record once
 */
export async function sendToDeadLetterTopic(
  log: EventLog,
  group: string,
  batch: Pick<LogBatch, 'topic' | 'partition'>,
  rejected: readonly RejectedRecord[],
): Promise<DeadLetterEntry[]> {
  if (rejected.length === 0) return [];
  const results = await log.append(rejected.map((one) => deadLetterOf(group, batch, one)));
  const refused = results.map(isRefused);
  const references = rejected.filter((_, at) => refused[at]).map((one) => referenceTo(group, batch, one));
  // If we die here: whatever was copied is copied again next time.
  const instead = (await log.append(references)).values();
  const receipts = unwrapReceipts(
    results.map((result, at) => (refused[at] ? instead.next().value! : result)),
  );
  const deadLetteredAt = new Date();
  return rejected.map(({ record, reason, detail, eventId }, at) => ({
    key: eventId === undefined ? null : eventKey(eventId),
    offset: record.offset,
    digest: recordDigest(record),
    reason,
    detail: refused[at] ? `${detail}; ${leftOut(batch.topic, record)}` : detail,
    attempt: attemptOf(record),
    deadLetteredAt,
    deadLetterPartition: receipts[at]!.partition,
    deadLetterOffset: receipts[at]!.offset,
  }));
}

function isRefused(result: AppendResult): boolean {
  return result instanceof AppendError && !result.retryable;
}

function leftOut(topic: string, record: LogRecord): string {
  return `not copied: topic ${deadLetterTopic(topic)} refuses its ${sizeOf(record)} bytes`;
}

/** Some, by id; or all pending ones, optionally only those with one reason. */
export type RedriveChoice = { ids: readonly number[] } | { reason?: string };

/** What a person sends in place of a dead-lettered record. */
export type ReplacementRecord = Record<'key' | 'value', string>;

/** The result of a redrive. */
interface RedriveResult {
  /** Appended to their topic again. */
  redriven: number;
  /** Already redriven: nothing was done. */
  skipped: number;
  /** Ids that do not exist, or whose record the log no longer holds. */
  missing: string[];
}

/** The dead letters of one group: to inspect and to redrive. */
export class DeadLetters {
  readonly #log: EventLog;
  readonly #store: EventStore;
  readonly #group: string;
  #redriving: Promise<unknown> = Promise.resolve();

  constructor({ log, store, group }: { log: EventLog; store: EventStore; group: string }) {
    this.#log = log;
    this.#store = store;
    this.#group = group;
  }

  /** Newest first. */
  list(query: DeadLetterQuery): Promise<DeadLetter[]> {
    return this.#store.deadLetters(this.#group, query);
  }

  /** One dead letter with its record, which is undefined if the log no longer holds it. */
  async get(id: number): Promise<{ letter: DeadLetter; record: LogRecord | undefined } | undefined> {
    const [letter] = await this.list({ ids: [id], limit: 1 });
    if (letter === undefined) return undefined;
    const [record] = await this.#read([letter]);
    return { letter, record };
  }

  /**
   * Appends dead letters unchanged to the topic they came from, oldest first. Repeating it is safe: redriven ones are
   * skipped, and the store keeps one copy of an event that was appended twice.
   *
   * @param replacement sent instead of the record in the dead-letter topic; for a single id
   */
  redrive(which: RedriveChoice, replacement?: ReplacementRecord): Promise<RedriveResult> {
    // Sequential: two at once would both find the same dead letters pending.
    const result = this.#redriving.then(() => this.#redrive(which, replacement));
    this.#redriving = result.catch(() => {});
    return result;
  }

  async #redrive(which: RedriveChoice, replacement?: ReplacementRecord): Promise<RedriveResult> {
    const total: RedriveResult = { redriven: 0, skipped: 0, missing: [] };
    const ids = 'ids' in which ? [...new Set(which.ids)] : await this.#waitingIds(which.reason);
    ids.sort((a, b) => a - b);
    for (let at = 0; at < ids.length; at += REDRIVE_CHUNK) {
      const { redriven, skipped, missing } = await this.#redriveChunk(
        ids.slice(at, at + REDRIVE_CHUNK),
        replacement,
      );
      total.redriven += redriven;
      total.skipped += skipped;
      total.missing.push(...missing);
    }
    return total;
  }

  async #waitingIds(reason: string | undefined): Promise<number[]> {
    const ids: number[] = [];
    for (;;) {
      const page = await this.list({ limit: 1000, waiting: true, before: ids.at(-1), reason });
      if (page.length === 0) return ids;
      ids.push(...page.map(({ id }) => id));
    }
  }

  async #redriveChunk(ids: readonly number[], replacement?: ReplacementRecord): Promise<RedriveResult> {
    const letters = (await this.list({ ids, limit: ids.length })).reverse();
    const waiting = letters.filter(({ redrivenAt }) => redrivenAt === null);
    const records = await this.#read(waiting);
    const found = waiting.flatMap((letter, at) => (records[at] ? [{ letter, record: records[at] }] : []));
    const results = await this.#log.append(
      found.map(({ letter, record }) => ({
        topic: letter.topic,
        ...(replacement ?? { key: record.key, value: record.value }),
        headers: [...originalHeaders(record), attemptHeader(letter.attempt)],
      })),
    );
    const done = found
      .filter((_one, at) => !(results[at] instanceof AppendError))
      .map(({ letter }) => letter.id);
    // If we die here: they stay pending, and a repetition appends them again. Events are stored once.
    await this.#store.markRedriven(this.#group, done, new Date());
    unwrapReceipts(results);
    const accounted = new Set([
      ...done,
      ...letters.filter(({ redrivenAt }) => redrivenAt).map(({ id }) => id),
    ]);
    return {
      redriven: done.length,
      skipped: letters.length - waiting.length,
      missing: ids.filter((id) => !accounted.has(id)).map(String),
    };
  }

  /** The record of each dead letter: from the dead-letter topic, or from its own topic if only that has its bytes. */
  async #read(letters: readonly DeadLetter[]): Promise<(LogRecord | undefined)[]> {
    const copies = await this.#readAt(letters, ({ topic, deadLetterPartition, deadLetterOffset }) => ({
      topic: deadLetterTopic(topic),
      partition: deadLetterPartition,
      offset: deadLetterOffset,
    }));
    const references = letters.filter(({ id }) => isReference(copies.get(id)));
    const originals = await this.#readAt(references, (letter) => letter);
    return letters.map((letter) => {
      const copy = copies.get(letter.id);
      if (copy === undefined || !isDeadLetterOf(letter, copy)) return undefined;
      if (!isReference(copy)) return copy;
      const original = originals.get(letter.id);
      return original && isReferredTo(original, copy) ? original : undefined;
    });
  }

  async #readAt(
    letters: readonly DeadLetter[],
    positionOf: (letter: DeadLetter) => RecordPosition & { topic: string },
  ): Promise<Map<number, LogRecord | undefined>> {
    const byTopic = Map.groupBy(letters, (letter) => positionOf(letter).topic);
    const found = new Map<number, LogRecord | undefined>();
    for (const [topic, own] of byTopic) {
      const positions = own.map((letter) => {
        const { partition, offset } = positionOf(letter);
        return { partition, offset };
      });
      const records = await this.#log.read(topic, positions);
      for (const [at, { id }] of own.entries()) found.set(id, records[at]);
    }
    return found;
  }
}
