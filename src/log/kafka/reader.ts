import type {
  FoundTime,
  LogRecord,
  RecordPosition,
  ScannedRecords,
  TopicEnds,
  TopicStarts,
} from '../event-log.ts';
import { FetchIsolationLevels, hasKafkaError, ListOffsetTimestamps, type RecordsBatch } from './client.ts';
import { type Consumer, readBounds } from './consumer.ts';
import { type FetchQuestion, fetchIfServed, fetchPatiently, fetchSoon } from './fetch.ts';
import { offsetBehind, toRecords } from './records.ts';

/** How long the broker holds a fetch of what a scan expects to be there. */
const SCAN_MAX_WAIT_MS = 500;
/** Answers without anything, one after the other, before a scan asks whether there still is something. */
const SCAN_MOST_EMPTY = 20;

/** Reads records by position, outside any group. One response often holds many of them. */
export class KafkaReader {
  readonly #consumer: Consumer;
  #fetching: Promise<unknown> = Promise.resolve();

  /** @param consumer never joins its group */
  constructor(consumer: Consumer) {
    this.#consumer = consumer;
  }

  /** As `EventLog.ends`. */
  async ends(topic: string): Promise<TopicEnds> {
    // Checked before and after, so that a topic that was deleted and recreated is not mistaken for its predecessor.
    const metadata = await this.#consumer.describeTopic(topic, { forceUpdate: true });
    const [stable, ends] = await Promise.all([
      this.#latest(topic, FetchIsolationLevels.READ_COMMITTED),
      this.#latest(topic, FetchIsolationLevels.READ_UNCOMMITTED),
    ]);
    return {
      topicId: metadata.id,
      // Requested one after the other: whatever became stable in between has also been written.
      ends: new Map(
        ends.map((end, partition) => {
          const stableEnd = stable[partition] ?? end;
          return [partition, { end: Math.max(end, stableEnd), stable: stableEnd }];
        }),
      ),
    };
  }

  /** As `EventLog.starts`. */
  async starts(topic: string): Promise<TopicStarts> {
    // As for `ends`.
    const { id: topicId } = await this.#consumer.describeTopic(topic, { forceUpdate: true });
    const timestamp = ListOffsetTimestamps.EARLIEST;
    const starts = await this.#consumer.offsetsOf({ topic, timestamp });
    return { topicId, starts: new Map([...starts.entries()].map(([at, offset]) => [at, Number(offset)])) };
  }

  /** As `EventLog.scan`. */
  async *scan(topic: string): AsyncGenerator<ScannedRecords> {
    const { id: topicId, partitionsCount } = await this.#consumer.describeTopic(topic, { forceUpdate: true });
    const bounds = await readBounds(this.#consumer, topic, [...Array(partitionsCount).keys()]);
    for (const [partition, { earliest, end }] of bounds.entries()) {
      let next = earliest;
      let empty = 0;
      while (next < end) {
        const fetched = await this.#tracking(topic, () =>
          this.#fetch(topic, { partition, offset: next }, fetchPatiently, {
            maxWaitMs: SCAN_MAX_WAIT_MS,
            topicId,
          }),
        ).catch((error) => this.#laterStart(error, { topic, partition, next }));
        if (typeof fetched === 'number') {
          next = fetched;
          continue;
        }
        const last = fetched?.records?.at(-1);
        if (last === undefined) {
          // A leader that has just started may have nothing yet.
          if (++empty > SCAN_MOST_EMPTY) await this.#refuseShorter(topic, partition, next);
          continue;
        }
        const records = toRecords(fetched!, next);
        yield { topicId, partition, records: records.filter(({ offset }) => offset < end) };
        next = offsetBehind(last);
        empty = 0;
      }
    }
  }

  /** Where a partition begins, since the topic's retention deletes from its front. @throws what was thrown before */
  async #laterStart(
    error: unknown,
    { topic, partition, next }: { topic: string; partition: number; next: number },
  ): Promise<number> {
    if (!hasKafkaError(error, 'OFFSET_OUT_OF_RANGE')) throw error;
    const start = (await this.starts(topic)).starts.get(partition) ?? 0;
    if (start <= next) throw error;
    return start;
  }

  /** @throws Error if the partition no longer has the offset */
  async #refuseShorter(topic: string, partition: number, next: number): Promise<void> {
    const ends = await this.#latest(topic, FetchIsolationLevels.READ_UNCOMMITTED);
    if ((ends[partition] ?? 0) <= next)
      throw new Error(`partition ${partition} of ${topic} got shorter while it was read`);
  }

  async #latest(topic: string, isolationLevel: number): Promise<number[]> {
    const timestamp = ListOffsetTimestamps.LATEST;
    return (await this.#consumer.offsetsOf({ topic, timestamp, isolationLevel })).map(Number);
  }

  /** As `EventLog.timestamps`. */
  timestamps(topic: string, positions: readonly RecordPosition[]): Promise<(FoundTime | undefined)[]> {
    return this.#tracking(topic, () =>
      Promise.all(positions.map((position) => this.#timestamp(topic, position))),
    );
  }

  async #timestamp(topic: string, { partition, offset }: RecordPosition): Promise<FoundTime | undefined> {
    try {
      const fetched = await this.#fetch(topic, { partition, offset }, fetchIfServed, {
        maxBytes: 1,
        uncommitted: true,
      });
      return fetched === 'not served' ? fetched : timestampAt(fetched?.records ?? [], offset);
    } catch (error) {
      // The topic was deleted meanwhile, or the log ends before.
      if (hasKafkaError(error, 'OFFSET_OUT_OF_RANGE')) return undefined;
      throw error;
    }
  }

  /** As `EventLog.read`. */
  async read(topic: string, positions: readonly RecordPosition[]): Promise<(LogRecord | undefined)[]> {
    // As for `ends`.
    await this.#consumer.describeTopic(topic, { forceUpdate: true });
    const found = await this.#tracking(topic, () => this.#readTopic(topic, positions));
    return positions.map(({ partition, offset }) => found.get(`${partition}:${offset}`));
  }

  async close(): Promise<void> {
    await this.#consumer.close(true);
  }

  /** The client looks up every topic it tracks, so one that is gone would break reading others. */
  async #tracking<T>(topic: string, work: () => Promise<T>): Promise<T> {
    this.#consumer.topics.track(topic);
    try {
      return await work();
    } finally {
      this.#consumer.topics.untrack(topic);
    }
  }

  /** By partition and offset. */
  async #readTopic(topic: string, positions: readonly RecordPosition[]): Promise<Map<string, LogRecord>> {
    const found = new Map<string, LogRecord>();
    for (const [partition, wanted] of Map.groupBy(positions, (position) => position.partition)) {
      const offsets = wanted.map(({ offset }) => offset).sort((a, b) => a - b);
      for (const record of await this.#readPartition(topic, partition, offsets)) {
        found.set(`${partition}:${record.offset}`, record);
      }
    }
    return found;
  }

  /** @param offsets ascending */
  async #readPartition(topic: string, partition: number, offsets: readonly number[]): Promise<LogRecord[]> {
    const { partitionsCount } = await this.#consumer.describeTopic(topic);
    // A recreated topic may have fewer partitions.
    if (partition >= partitionsCount) return [];
    const [bounds] = await readBounds(this.#consumer, topic, [partition]);
    const { earliest, end } = bounds!;
    const records: LogRecord[] = [];
    let next = earliest;
    for (const offset of offsets) {
      if (offset < next || offset >= end) continue;
      const fetched = await this.#fetch(topic, { partition, offset }, fetchSoon);
      if (fetched !== undefined) records.push(...toRecords(fetched, offset));
      const last = fetched?.records?.at(-1);
      next = last === undefined ? offset + 1 : offsetBehind(last);
    }
    return records;
  }

  /** Sequential: the client keeps one fetch session per broker. */
  #fetch<Fetched>(
    topic: string,
    { partition, offset }: RecordPosition,
    fetch: (consumer: Consumer, question: FetchQuestion) => Promise<Fetched>,
    {
      topicId,
      maxWaitMs = 0,
      ...options
    }: Partial<Pick<FetchQuestion, 'maxBytes' | 'uncommitted' | 'maxWaitMs' | 'topicId'>> = {},
  ): Promise<Fetched> {
    const fetched = this.#fetching.then(async () => {
      const metadata = await this.#consumer.describeTopic(topic);
      if (topicId !== undefined && metadata.id !== topicId)
        throw new Error(`${topic} was created again while it was read`);
      const { leader: node } = metadata.partitions[partition]!;
      const positions = new Map([[partition, { offset }]]);
      const question = { node, topicId: metadata.id, positions, maxWaitMs, ...options };
      return fetch(this.#consumer, question);
    });
    this.#fetching = fetched.catch(() => {});
    return fetched;
  }
}

/** The timestamp of the first record at or after an offset, or the batch's own if it holds no such record. */
function timestampAt(batches: readonly RecordsBatch[], offset: number): number | undefined {
  for (const batch of batches) {
    if (offsetBehind(batch) <= offset) continue;
    const { firstOffset, firstTimestamp, records } = batch;
    const record = records.find(({ offsetDelta }) => Number(firstOffset) + offsetDelta >= offset);
    return Number(firstTimestamp) + Number(record?.timestampDelta ?? 0);
  }
  return undefined;
}
