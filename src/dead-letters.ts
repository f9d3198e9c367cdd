// In: records that are no events. Out: the dead-letter topic and its index, and from there back to their topic.
import { eventKey, type Rejection } from './event.ts';
import { type EventLog, type LogBatch, type LogRecord, type NewRecord, receiptsOf } from './log/event-log.ts';
import type { DeadLetter, DeadLetterEntry, DeadLetterQuery, EventStore } from './store/event-store.ts';

/** A consumed record that is no event, and why. */
export interface RejectedRecord extends Rejection {
  record: LogRecord;
}

const REDRIVE_CHUNK = 200;
const ATTEMPT_HEADER = 'footfall-dlt-attempt';
const OWN_HEADERS = /^(kafka_dlt-|footfall-dlt-)/;

/** The topic in which records of `topic` are set aside. */
export function deadLetterTopic(topic: string): string {
  return `${topic}.dlt`;
}

/**
 * Copies records to the dead-letter topic, key, value and headers unchanged, with their origin and the reason in
 * further headers. Resolves once they are durable there; the position of the partition may move only after that.
 *
 * @returns the index entries for the store, in the same order
 * @throws the errors of `EventLog.append`; copying again is safe, the store indexes each origin once
 */
export async function setAside(
  log: EventLog,
  group: string,
  batch: Pick<LogBatch, 'topic' | 'partition'>,
  rejected: readonly RejectedRecord[],
): Promise<DeadLetterEntry[]> {
  if (rejected.length === 0) return [];
  const results = await log.append(
    rejected.map(({ record, reason, detail }) => ({
      topic: deadLetterTopic(batch.topic),
      key: record.key,
      value: record.value,
      headers: [...originalHeaders(record), ...deadLetterHeaders(group, batch, { record, reason, detail })],
    })),
  );
  const receipts = receiptsOf(results);
  const setAsideAt = new Date();
  return rejected.map(({ record, reason, detail, eventId }, at) => ({
    key: eventId === undefined ? null : eventKey(eventId),
    offset: record.offset,
    reason,
    detail,
    attempt: attemptOf(record),
    setAsideAt,
    deadLetterPartition: receipts[at]!.partition,
    deadLetterOffset: receipts[at]!.offset,
  }));
}

/** The names spring-kafka uses, so that tools which know its dead letters know ours; numbers are text here. */
function deadLetterHeaders(
  group: string,
  { topic, partition }: Pick<LogBatch, 'topic' | 'partition'>,
  { record, reason, detail }: RejectedRecord,
): NewRecord['headers'] {
  return [
    ['kafka_dlt-original-topic', topic],
    ['kafka_dlt-original-partition', String(partition)],
    ['kafka_dlt-original-offset', String(record.offset)],
    ['kafka_dlt-original-timestamp', String(record.timestamp)],
    ['kafka_dlt-original-timestamp-type', record.timestampType],
    ['kafka_dlt-original-consumer-group', group],
    ['kafka_dlt-exception-fqcn', 'footfall.RejectedRecord'],
    ['kafka_dlt-exception-cause-fqcn', 'footfall.RejectedRecord'],
    ['kafka_dlt-exception-message', detail],
    ['kafka_dlt-exception-stacktrace', `footfall.RejectedRecord: ${detail}`],
    ['footfall-dlt-reason', reason],
    [ATTEMPT_HEADER, String(attemptOf(record))],
  ];
}

/** A dead-letter topic that was set back, or created anew, holds others in the same places. */
function isCopyOf({ topic, partition, offset }: DeadLetter, { headers }: LogRecord): boolean {
  const says = new Map(headers.map(([name, value]) => [name, value?.toString()]));
  return (
    says.get('kafka_dlt-original-topic') === topic &&
    says.get('kafka_dlt-original-partition') === String(partition) &&
    says.get('kafka_dlt-original-offset') === String(offset)
  );
}

function originalHeaders({ headers }: LogRecord): NewRecord['headers'] {
  return headers.filter(([name]) => !OWN_HEADERS.test(name));
}

/** A record that was redriven carries the number of the attempt that failed before. */
function attemptOf({ headers }: LogRecord): number {
  const before = headers.find(([name]) => name === ATTEMPT_HEADER)?.[1]?.toString() ?? '0';
  return (/^\d{1,9}$/.test(before) ? Number(before) : 0) + 1;
}

/** Some by id, or all that wait, if wanted of one reason. */
export type RedriveChoice = { ids: readonly number[] } | { reason?: string };

/** What a person made of a record that was set aside. */
export type MendedRecord = Record<'key' | 'value', string>;

/** What came of a redrive. */
export interface RedriveResult {
  /** Appended to their topic again. */
  redriven: number;
  /** Had been redriven before: nothing was done. */
  skipped: number;
  /** Ids that are not there, or whose record the dead-letter topic no longer holds. */
  missing: string[];
}

/** What was set aside for one group: to look at, and to send back. */
export class DeadLetters {
  readonly #log: EventLog;
  readonly #store: EventStore;
  readonly #group: string;
  #redriving: Promise<unknown> = Promise.resolve();

  constructor(log: EventLog, store: EventStore, group: string) {
    this.#log = log;
    this.#store = store;
    this.#group = group;
  }

  /** Newest first. */
  list(query: DeadLetterQuery): Promise<DeadLetter[]> {
    return this.#store.deadLetters(this.#group, query);
  }

  /** One dead letter with its record, which is undefined where the dead-letter topic no longer holds it. */
  async get(id: number): Promise<{ letter: DeadLetter; record: LogRecord | undefined } | undefined> {
    const [letter] = await this.list({ ids: [id], limit: 1 });
    if (letter === undefined) return undefined;
    const [record] = await this.#read([letter]);
    return { letter, record };
  }

  /**
   * Appends dead letters to the topic they came from, oldest first, as they came. Asking again is safe: one that
   * was redriven is passed over, and of an event that was appended twice the store keeps one.
   *
   * @param mended instead of what is in the dead-letter topic: for one id
   */
  redrive(which: RedriveChoice, mended?: MendedRecord): Promise<RedriveResult> {
    // One after the other: two at once would both find the same dead letters waiting.
    const result = this.#redriving.then(() => this.#redrive(which, mended));
    this.#redriving = result.catch(() => {});
    return result;
  }

  async #redrive(which: RedriveChoice, mended?: MendedRecord): Promise<RedriveResult> {
    const total: RedriveResult = { redriven: 0, skipped: 0, missing: [] };
    const ids = 'ids' in which ? [...new Set(which.ids)] : await this.#waitingIds(which.reason);
    ids.sort((a, b) => a - b);
    for (let at = 0; at < ids.length; at += REDRIVE_CHUNK) {
      const { redriven, skipped, missing } = await this.#redriveChunk(
        ids.slice(at, at + REDRIVE_CHUNK),
        mended,
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
      const before = ids.at(-1);
      const page = await this.list({
        limit: 1000,
        waiting: true,
        ...(before === undefined ? {} : { before }),
        ...(reason === undefined ? {} : { reason }),
      });
      if (page.length === 0) return ids;
      ids.push(...page.map(({ id }) => id));
    }
  }

  async #redriveChunk(ids: readonly number[], mended?: MendedRecord): Promise<RedriveResult> {
    const letters = (await this.list({ ids, limit: ids.length })).reverse();
    const waiting = letters.filter(({ redrivenAt }) => redrivenAt === null);
    const records = await this.#read(waiting);
    const found = waiting.flatMap((letter, at) => (records[at] ? [{ letter, record: records[at] }] : []));
    const results = await this.#log.append(
      found.map(({ letter, record }) => ({
        topic: letter.topic,
        ...(mended ?? { key: record.key, value: record.value }),
        headers: [...originalHeaders(record), [ATTEMPT_HEADER, String(letter.attempt)]],
      })),
    );
    receiptsOf(results);
    // If we die here: they count as waiting, and a repetition appends them once more. Events are stored once.
    const done = found.map(({ letter }) => letter.id);
    await this.#store.markRedriven(this.#group, done, new Date());
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

  async #read(letters: readonly DeadLetter[]): Promise<(LogRecord | undefined)[]> {
    const byTopic = Map.groupBy(letters, ({ topic }) => deadLetterTopic(topic));
    const found = new Map<number, LogRecord>();
    for (const [topic, own] of byTopic) {
      const positions = own.map((one) => ({
        partition: one.deadLetterPartition,
        offset: one.deadLetterOffset,
      }));
      const records = await this.#log.read(topic, positions);
      for (const [at, letter] of own.entries()) {
        const record = records[at];
        if (record !== undefined && isCopyOf(letter, record)) found.set(letter.id, record);
      }
    }
    return letters.map(({ id }) => found.get(id));
  }
}
