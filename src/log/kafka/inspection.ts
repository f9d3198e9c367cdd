// In: the topics and the group of a service. Out: what is there of them, for people. Creates nothing.
import type { GroupMember } from '../event-log.ts';
import { type Admin, hasKafkaError } from './client.ts';
import type { KafkaTopics } from './topics.ts';

interface Group {
  topic: string;
  group: string;
  members(): Promise<GroupMember[]>;
}

export async function membersOf(admin: Admin, topic: string, group: string): Promise<GroupMember[]> {
  const groups = await admin.describeGroups({ groups: [group] });
  return [...(groups.get(group)?.members.values() ?? [])].map(({ id, clientHost, assignments }) => ({
    id,
    host: clientHost.replace(/^\//, ''),
    partitions: (assignments?.get(topic)?.partitions ?? []).toSorted((one, other) => one - other),
  }));
}

/** @throws why the service could not work */
export async function describeCluster(
  topics: KafkaTopics,
  { topic, group, members }: Group,
): Promise<string> {
  const missing = await topics.inspect();
  const found =
    missing.length === 0
      ? `topic ${topic}`
      : `${missing.join(' and ')} missing, and created at the start if Footfall may`;
  const { length } = await members().catch((error) => {
    // Of a cluster that has had no group yet.
    if (hasKafkaError(error, 'COORDINATOR_NOT_AVAILABLE')) return [];
    throw error;
  });
  return `Kafka, ${found}, ${length} ${length === 1 ? 'member' : 'members'} of group ${group}`;
}
