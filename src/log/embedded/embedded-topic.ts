import type { AssignedPartition } from '../event-log.ts';

export interface Topic {
  id: number;
  topicId: string;
  partitions: number;
  /** First offset of each partition. */
  starts: number[];
  /** Next offset of each partition. */
  ends: number[];
}

export function assignedPartition(name: string, topic: Topic, partition: number): AssignedPartition {
  const { topicId, starts, ends } = topic;
  const [earliest, end] = [starts[partition]!, ends[partition]!];
  const hasOffset = async (offset: number) => offset <= end;
  const isCurrent = async () => true; // Only this process changes the log.
  return { topic: name, topicId, partition, earliest, end, hasOffset, isCurrent };
}
