import { withDeadline } from '../deadline.ts';
import type { LogRecord, RecordPosition, TopicEnds } from './event-log.ts';
import {
  type Consumer,
  FETCH_DEADLINE_MS,
  fetchFrom,
  ListOffsetTimestamps,
  readBounds,
} from './kafka-client.ts';
import { toRecords } from './kafka-records.ts';

/** Reads records by their positions, outside any group. One answer often holds many of them. */
export class KafkaReader {
  readonly #consumer: Consumer;

  /** @param consumer never joins its group */
  constructor(consumer: Consumer) {
    this.#consumer = consumer;
  }

  /** As `EventLog.ends`. */
  async ends(topic: string): Promise<TopicEnds> {
    // Asked again, so that a topic that was deleted and created again is not taken for the one before.
    const metadata = await withDeadline(
      this.#consumer.metadata({ topics: [topic], forceUpdate: true }),
      FETCH_DEADLINE_MS,
      'metadata',
    );
    const request = this.#consumer.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.LATEST });
    const offsets = await withDeadline(request, FETCH_DEADLINE_MS, 'list offsets');
    const ends = new Map(offsets.get(topic)!.map((end, partition) => [partition, Number(end)]));
    return { topicId: metadata.topics.get(topic)!.id, ends };
  }

  /** As `EventLog.read`. */
  async read(topic: string, positions: readonly RecordPosition[]): Promise<(LogRecord | undefined)[]> {
    // As for `ends`.
    await this.#consumer.metadata({ topics: [topic], forceUpdate: true });
    // Only as long as it is read: the client looks up all it tracks, and one that is gone would fail the reading of others.
    this.#consumer.topics.track(topic);
    const found = await this.#readTopic(topic, positions).finally(() => this.#consumer.topics.untrack(topic));
    return positions.map(({ partition, offset }) => found.get(`${partition}:${offset}`));
  }

  async close(): Promise<void> {
    await this.#consumer.close(true);
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
    const { topics } = await this.#consumer.metadata({ topics: [topic] });
    // A topic that was created again may have fewer partitions.
    if (partition >= topics.get(topic)!.partitionsCount) return [];
    const [bounds] = await readBounds(this.#consumer, topic, [partition]);
    const { earliest, end } = bounds!;
    const records: LogRecord[] = [];
    let next = earliest;
    for (const offset of offsets) {
      if (offset < next || offset >= end) continue;
      const answer = await this.#fetch(topic, partition, offset);
      records.push(...answer.records);
      next = answer.nextOffset;
    }
    return records;
  }

  async #fetch(
    topic: string,
    partition: number,
    offset: number,
  ): Promise<{ records: LogRecord[]; nextOffset: number }> {
    const metadata = (await this.#consumer.metadata({ topics: [topic] })).topics.get(topic)!;
    const { leader } = metadata.partitions[partition]!;
    const position = new Map([[partition, offset]]);
    const response = await fetchFrom(this.#consumer, leader, metadata.id, position, 0);
    const [fetched] = response.responses.flatMap(({ partitions }) => partitions);
    const last = fetched?.records?.at(-1);
    const nextOffset = last === undefined ? offset + 1 : Number(last.firstOffset) + last.lastOffsetDelta + 1;
    return { records: fetched === undefined ? [] : toRecords(fetched, offset), nextOffset };
  }
}
