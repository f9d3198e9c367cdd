import type { NewRecord } from '../src/log/event-log.ts';
import { KafkaLog } from '../src/log/kafka/kafka-log.ts';
import type { EventToStore } from '../src/store/event-store.ts';
import { makeEvents } from './events.ts';
import { PARTITIONS, silent, type TestCluster } from './ground.ts';

/** Records that are produced at a time. */
const PRODUCED = 3000;

/** The service's own log, on the bench's broker. */
export async function openLog(ground: TestCluster, topic: string): Promise<KafkaLog> {
  const { bootstrap } = await ground.kafka();
  return new KafkaLog({
    brokers: [bootstrap],
    clientId: 'bench',
    instanceId: undefined,
    topics: [{ name: topic }],
    partitions: PARTITIONS,
    replication: -1,
    producerRetries: 3,
    producerTimeoutMs: 30_000,
    sessionTimeoutMs: 10_000,
    logger: silent,
  });
}

/**
 * Puts events into a topic.
 *
 * @param headersOf what a record has beside its event; nothing, if it is not given
 * @returns the size of all JSON texts
 */
export async function produceBacklog(
  ground: TestCluster,
  topic: string,
  count: number,
  headersOf: (event: EventToStore, index: number) => NewRecord['headers'] = () => [],
): Promise<number> {
  const log = await openLog(ground, topic);
  let bytes = 0;
  for (let done = 0; done < count; done += PRODUCED) {
    const events = makeEvents(Math.min(PRODUCED, count - done), done, new Date());
    for (const { json } of events) bytes += json.length;
    await log.append(
      events.map((event, index) => ({
        topic,
        key: event.userId,
        value: event.json,
        headers: headersOf(event, done + index),
      })),
    );
  }
  await log.close();
  console.error(`${count} events are in ${topic}`);
  return bytes;
}
