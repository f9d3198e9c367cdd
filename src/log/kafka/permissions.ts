import { AclOperations, type Admin, metadataV8 } from './client.ts';

const NEEDED = { Read: AclOperations.READ, Write: AclOperations.WRITE };
/** What a broker answers that does not tell. */
const NOT_TOLD = -(2 ** 31);

/**
 * Asks the broker what this user may do, which the client's own requests do not. Nothing else shows before the first
 * event whether it can be written.
 *
 * @throws Error naming the topics and the operations that the user may not perform
 */
export async function checkPermissions(admin: Admin, topics: readonly string[]): Promise<void> {
  // An empty list would ask about all topics there are.
  if (topics.length === 0) return;
  const denied = (await operationsOn(admin, topics)).flatMap(([topic, operations]) => {
    const missing = Object.entries(NEEDED).filter(([, bit]) => ((operations >> bit) & 1) === 0);
    return missing.length === 0 ? [] : [`${topic} (${missing.map(([name]) => name).join(' and ')})`];
  });
  if (denied.length > 0) throw new Error(`Topic authorization failed: ${denied.join(', ')}`);
}

async function operationsOn(admin: Admin, topics: readonly string[]): Promise<[string, number][]> {
  const { brokers } = await admin.metadata({ topics: [] });
  const connection = await admin.connections.getFirstAvailable([...brokers.values()]);
  // Version 8 is the first that tells, and all brokers since Kafka 2.3 speak it.
  const answer = await metadataV8.api.async(connection, [...topics], false, true);
  return answer.topics
    .map((topic): [string, number] => [topic.name!, topic.topicAuthorizedOperations])
    .filter(([, operations]) => operations !== NOT_TOLD);
}
