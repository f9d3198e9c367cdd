import type { AssignedPartition } from '../event-log.ts';
import { hasKafkaError } from './client.ts';
import { type Consumer, type PartitionBounds, readBounds } from './consumer.ts';
import { fetchSoon } from './fetch.ts';

/**
 * What the log holds of these partitions now.
 *
 * @param divergesAt by partition, where leader epochs have shown a difference
 */
export async function describePartitions(
  consumer: Consumer,
  topic: string,
  partitions: number[],
  divergesAt: ReadonlyMap<number, number>,
): Promise<AssignedPartition[]> {
  if (partitions.length === 0) return [];
  const [metadata, bounds] = await Promise.all([
    consumer.describeTopic(topic),
    readBounds(consumer, topic, partitions),
  ]);
  const topicId = metadata.id;
  return partitions.map((partition, at) => ({
    ...bounds[at]!,
    topic,
    topicId,
    partition,
    divergesAt: divergesAt.get(partition),
    hasOffset: (offset) => hasOffset(consumer, topic, partition, offset),
    isCurrent: () => isCurrent(consumer, { topic, topicId, partition, ...bounds[at]! }),
  }));
}

async function isCurrent(
  consumer: Consumer,
  was: PartitionBounds & { topic: string; topicId: string; partition: number },
): Promise<boolean> {
  const metadata = await consumer.describeTopic(was.topic, { forceUpdate: true });
  const [bounds] = await readBounds(consumer, was.topic, [was.partition]);
  const { earliest, end } = bounds!;
  return metadata.id === was.topicId && earliest === was.earliest && end >= was.end;
}

/**
 * After a restart a leader takes its high watermark from a checkpoint that is seconds old and reports that as the end
 * of the log. Only an offset it refuses to read from is truly missing.
 */
async function hasOffset(
  consumer: Consumer,
  topic: string,
  partition: number,
  offset: number,
): Promise<boolean> {
  const metadata = await consumer.describeTopic(topic);
  try {
    const { leader: node } = metadata.partitions[partition]!;
    const positions = new Map([[partition, { offset }]]);
    await fetchSoon(consumer, { node, topicId: metadata.id, positions, maxWaitMs: 0, maxBytes: 1 });
    return true;
  } catch (error) {
    if (hasKafkaError(error, 'OFFSET_OUT_OF_RANGE')) return false;
    throw error;
  }
}
