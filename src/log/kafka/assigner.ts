import type { GroupPartitionsAssigner } from '@platformatic/kafka';

/**
 * Distributes each topic's partitions round-robin over the members that subscribe to it. Own code because the client's
 * assigner gives the leader's topics to all members, whatever they subscribe to: services with different topics in one
 * group would get each other's partitions and read nothing.
 */
export const assignToSubscribers: GroupPartitionsAssigner = (_self, members, _topics, metadata) => {
  const assigned = [...members.keys()].sort().map((memberId) => ({
    memberId,
    assignments: new Map<string, { topic: string; partitions: number[] }>(),
  }));
  for (const topic of [...metadata.topics.keys()].sort()) {
    const subscribers = assigned.filter(({ memberId }) => members.get(memberId)!.topics?.includes(topic));
    if (subscribers.length === 0) continue;
    const { partitionsCount } = metadata.topics.get(topic)!;
    for (let partition = 0; partition < partitionsCount; partition++) {
      const { assignments } = subscribers[partition % subscribers.length]!;
      const own = assignments.get(topic) ?? { topic, partitions: [] };
      own.partitions.push(partition);
      assignments.set(topic, own);
    }
  }
  return assigned;
};
