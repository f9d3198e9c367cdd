import {
  AppendError,
  type AppendResult,
  type EventLog,
  type GroupMember,
  type LogBatch,
  type LogRecord,
  type NewRecord,
  type RecordPosition,
  type ScannedRecords,
  type SubscribeOptions,
  type TopicEnds,
  type TopicStarts,
} from '../../src/log/event-log.ts';
import { partitionOf } from '../../src/log/partitioner.ts';
import type { Fate } from './conditions.ts';
import type { PartitionLog } from './partition-log.ts';
import type { SimulatedProcess } from './process.ts';
import { readGroup } from './subscription.ts';
import type { Topic } from './topic.ts';

/** The event log as one process sees it: in memory, with the habits of Kafka. */
export class SimulatedLog implements EventLog {
  readonly #process: SimulatedProcess;
  #inFlight: Promise<unknown> = Promise.resolve();

  constructor(process: SimulatedProcess) {
    this.#process = process;
  }

  async append(records: readonly NewRecord[]): Promise<AppendResult[]> {
    if (records.length === 0) return [];
    const appending = this.#process.call('log', 'log.append', (fate) => this.#append(records, fate));
    this.#inFlight = Promise.allSettled([this.#inFlight, appending]);
    return appending.catch((cause) => records.map(() => new AppendError('unconfirmed', 'no answer', cause)));
  }

  subscribe(options: SubscribeOptions): AsyncGenerator<LogBatch[]> {
    return readGroup(this.#process, options);
  }

  members(topic: string, group: string): Promise<GroupMember[]> {
    return this.#process.call('log', 'log.members', () =>
      this.#process.world.groups.members(group, topic).map(({ process, assignment }) => ({
        id: process.name,
        host: 'simulated',
        partitions: assignment?.partitions ?? [],
      })),
    );
  }

  ends(topic: string): Promise<TopicEnds> {
    return this.#process.call('log', 'log.ends', () => {
      const { topicId, partitions } = this.#topic(topic);
      return {
        topicId,
        ends: new Map(partitions.map(({ end, stable }, partition) => [partition, { end, stable }])),
      };
    });
  }

  starts(topic: string): Promise<TopicStarts> {
    return this.#process.call('log', 'log.starts', () => {
      const { topicId, partitions } = this.#topic(topic);
      return { topicId, starts: new Map(partitions.map(({ earliest }, partition) => [partition, earliest])) };
    });
  }

  async *scan(topic: string): AsyncGenerator<ScannedRecords> {
    yield* await this.#process.call('log', 'log.scan', () => {
      const { topicId, partitions } = this.#topic(topic);
      return partitions.map((log, partition) => ({
        topicId,
        partition,
        records: Array.from({ length: log.stable }, (_, offset) => log.visible(offset)).filter(
          (record) => record !== undefined,
        ),
      }));
    });
  }

  timestamps(topic: string, positions: readonly RecordPosition[]): Promise<(number | undefined)[]> {
    return this.#process.call('log', 'log.timestamps', () => {
      const { partitions } = this.#topic(topic);
      return positions.map(({ partition, offset }) => partitions[partition]?.firstFrom(offset)?.timestamp);
    });
  }

  read(topic: string, positions: readonly RecordPosition[]): Promise<(LogRecord | undefined)[]> {
    return this.#process.call('log', 'log.read', () => {
      const { partitions } = this.#topic(topic);
      return positions.map(({ partition, offset }) => partitions[partition]?.visible(offset));
    });
  }

  async ping(): Promise<void> {
    await this.#process.call('log', 'log.ping', () => {});
  }

  async close(): Promise<void> {
    await this.#inFlight;
  }

  #topic(name: string): Topic {
    return this.#process.world.topics.get(name);
  }

  #append(records: readonly NewRecord[], fate: Fate): AppendResult[] {
    const { world } = this.#process;
    if (fate === 'lost after' || fate === 'late') world.saw('append answered with an error, and durable');
    let taken: PartitionLog | undefined;
    const results = records.map((record): AppendResult => {
      const { topicId, partitions } = this.#topic(record.topic);
      const key = record.key === null ? null : Buffer.from(record.key);
      const partition = partitionOf(key, partitions.length);
      const log = partitions[partition]!;
      taken ??= log;
      if (fate === 'partly' && log !== taken) return new AppendError('unconfirmed', 'no answer');
      const offset = log.append(toLogRecord(record, key, world.wallClock()));
      return world.appended({ topic: record.topic, partition, offset }, topicId);
    });
    world.onAppended();
    world.logChanged();
    return results;
  }
}

/** A record as it is in the log, but for its offset. */
export function toLogRecord(
  { value, headers }: Pick<NewRecord, 'value' | 'headers'>,
  key: Buffer | null,
  timestamp: number,
): Omit<LogRecord, 'offset'> {
  return {
    key,
    value: value === null ? null : Buffer.from(value),
    headers: headers.map(([name, text]) => [name, text === null ? null : Buffer.from(text)]),
    timestamp,
    timestampType: 'CreateTime',
  };
}
