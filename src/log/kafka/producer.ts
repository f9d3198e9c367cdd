import type { SizedRecord } from '../append-batcher.ts';
import { AppendError, type NewRecord, type Receipt } from '../event-log.ts';
import { partitionOf } from '../partitioner.ts';
import { hasKafkaError, type Producer } from './client.ts';

/**
 * Sends a group in one produce request. Records of a partition get their offsets in the order they are sent.
 *
 * @returns for each record its receipt, or why it is not known to be durable; `too-large` or `refused` if the
 *    topic will never accept it, which does not affect the others
 */
export async function sendGroup(
  producer: Producer,
  records: readonly SizedRecord[],
): Promise<(Receipt | Error)[]> {
  let failure: Error | undefined;
  let offsets: Offsets;
  try {
    offsets = (await producer.send({ messages: records.map(toMessage) })).offsets ?? [];
  } catch (error) {
    failure = error as Error;
    // Partitions that were written are recorded separately, so that only the others are reported as failed.
    offsets = (error as { produced?: { offsets?: Offsets } }).produced?.offsets ?? [];
  }
  const results = toReceipts(records, offsets, failure);
  return failure && refusalOf(failure, records[0]!.topic) ? sendAlone(producer, records, results) : results;
}

type Offsets = { topic: string; partition: number; offset: bigint }[];

function toReceipts(
  records: readonly SizedRecord[],
  offsets: Offsets,
  failure: Error | undefined,
): (Receipt | Error)[] {
  const next = new Map(offsets.map((base) => [`${base.topic}:${base.partition}`, Number(base.offset)]));
  return records.map(({ topic, partition }) => {
    const key = `${topic}:${partition}`;
    const offset = next.get(key);
    if (offset === undefined || offset < 0) return failure ?? new Error(`no offset was returned for ${key}`);
    next.set(key, offset + 1);
    return { topic, partition, offset };
  });
}

/** The broker rejects a partition's batch as a whole before writing: resend its records one by one. */
async function sendAlone(
  producer: Producer,
  records: readonly SizedRecord[],
  results: (Receipt | Error)[],
): Promise<(Receipt | Error)[]> {
  if (records.length === 1) {
    const { topic } = records[0]!;
    return results.map((result) => (result instanceof Error ? (refusalOf(result, topic) ?? result) : result));
  }
  for (const [at, record] of records.entries()) {
    if (results[at] instanceof Error) results[at] = (await sendGroup(producer, [record]))[0]!;
  }
  return results;
}

/** The caller's error if the topic's settings do not allow a record; undefined for any other failure. */
function refusalOf(cause: Error, topic: string): AppendError | undefined {
  if (hasKafkaError(cause, 'MESSAGE_TOO_LARGE') || hasKafkaError(cause, 'RECORD_LIST_TOO_LARGE')) {
    const message = `The event is larger than topic ${topic} allows (max.message.bytes)`;
    return new AppendError('too-large', message, cause);
  }
  if (!hasKafkaError(cause, 'INVALID_RECORD')) return undefined;
  return new AppendError('refused', `Topic ${topic} refuses the record`, cause);
}

function toMessage({ topic, partition, key, value, headers }: SizedRecord) {
  return {
    topic,
    partition,
    key: toBuffer(key),
    value: toBuffer(value),
    // A map compares these keys by identity, so a name may occur more than once.
    headers: new Map(headers.map(([name, content]) => [Buffer.from(name), toBuffer(content)])),
  };
}

/** The client writes null for undefined, which its types do not allow. */
function toBuffer(bytes: string | Buffer | null): Buffer {
  return (typeof bytes === 'string' ? Buffer.from(bytes) : (bytes ?? undefined)) as Buffer;
}

export function sizeRecord(record: NewRecord, partitions: number): SizedRecord {
  const key = record.key === null ? null : Buffer.from(record.key);
  const value = record.value === null ? null : Buffer.from(record.value);
  return {
    ...record,
    key,
    value,
    partition: partitionOf(key, partitions),
    bytes: recordBytes(key, value, record.headers),
  };
}

/** Upper estimate of a record's size in a batch: varints and attributes take less than 40 bytes. */
function recordBytes(key: Buffer | null, value: Buffer | null, headers: NewRecord['headers']): number {
  let bytes = 40 + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of headers) bytes += 10 + (name.length + (content?.length ?? 0)) * 3;
  return bytes;
}
