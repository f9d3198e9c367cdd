import { PartitionLog, type PartitionState } from './partition-log.ts';

export interface Topic {
  name: string;
  topicId: string;
  partitions: PartitionLog[];
  /** Those, too, that it had before the log was put back. */
  everPartitions: PartitionLog[];
}

/** Every topic of the log as it was at some time. */
export type LogState = Map<string, { topicId: string; partitions: PartitionState[] }>;

/** The topics of the log, by name; made when they are first used, as the service makes them. */
export class Topics {
  readonly #partitions: number;
  readonly #topics = new Map<string, Topic>();
  /** Every topic there ever was, by id. */
  readonly ever = new Map<string, Topic>();

  constructor(partitions: number) {
    this.#partitions = partitions;
  }

  get(name: string): Topic {
    return this.#topics.get(name) ?? this.create(name, this.#partitions);
  }

  all(): Topic[] {
    return [...this.#topics.values()];
  }

  /** @returns the one of the name, empty; whatever there was under it is gone */
  create(name: string, partitions: number): Topic {
    const topicId = `${name}-${this.ever.size}`;
    const logs = Array.from({ length: partitions }, () => new PartitionLog());
    const topic = { name, topicId, partitions: logs, everPartitions: [...logs] };
    this.#topics.set(name, topic);
    this.ever.set(topicId, topic);
    return topic;
  }

  grow(name: string): void {
    const { partitions, everPartitions } = this.get(name);
    const log = everPartitions[partitions.length] ?? new PartitionLog();
    log.restore(new PartitionLog().state());
    everPartitions[partitions.length] = log;
    partitions.push(log);
  }

  /** @throws as a broker does when the topic was deleted */
  byId(topicId: string): Topic {
    const topic = this.ever.get(topicId);
    if (topic === undefined || this.#topics.get(topic.name) !== topic) throw new Error('unknown topic id');
    return topic;
  }

  state(): LogState {
    return new Map(
      this.all().map(({ name, topicId, partitions }) => [
        name,
        { topicId, partitions: partitions.map((partition) => partition.state()) },
      ]),
    );
  }

  /** Topics that are not in the state stay as they are. */
  restore(state: LogState): void {
    for (const [name, { topicId, partitions }] of state) {
      const topic = this.ever.get(topicId)!;
      this.#topics.set(name, topic);
      topic.partitions = topic.everPartitions.slice(0, partitions.length);
      for (const [at, partition] of partitions.entries()) topic.partitions[at]!.restore(partition);
    }
  }
}
