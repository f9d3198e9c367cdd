import { randomUUID } from 'node:crypto';
import type { Admin } from '@platformatic/kafka';
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import type { EventLog } from '../../src/log/event-log.ts';
import { createProducer } from '../../src/log/kafka/client.ts';
import { Consumer } from '../../src/log/kafka/consumer.ts';
import { kafkaLogOptions, newTopic, openAdmin, openKafkaLog } from '../support/kafka-log.ts';

const JUMP_MS = 10 * 60_000;

async function grow(admin: Admin, topic: string, count: number): Promise<void> {
  await admin.createPartitions({ topics: [{ name: topic, count, assignments: [{ brokerIds: [1] }] }] });
  await expect.poll(() => partitionsOf(admin, topic, true)).toBe(count);
}

async function partitionsOf(
  client: Pick<Admin, 'metadata'>,
  topic: string,
  forceUpdate = false,
): Promise<number | undefined> {
  const { topics } = await client.metadata({ topics: [topic], forceUpdate });
  return topics.get(topic)?.partitionsCount;
}

/** Reads as a member of a group until the test ends. @returns the partitions it has been given last */
function member(log: EventLog, topic: string, group: string): { partitions: number[] | undefined } {
  const given: { partitions: number[] | undefined } = { partitions: undefined };
  const stop = new AbortController();
  const read = async () => {
    const onAssigned = async (assigned: readonly { partition: number; earliest: number }[]) => {
      given.partitions = assigned.map(({ partition }) => partition).sort();
      return {
        positions: new Map(assigned.map(({ partition, earliest }) => [partition, { offset: earliest }])),
      };
    };
    for await (const _ of log.subscribe({ topic, group, signal: stop.signal, onAssigned }));
  };
  const reading = read();
  onTestFinished(async () => {
    stop.abort();
    await reading;
  });
  return given;
}

// Only where there is no Java to run Kafka, which is an error in CI (test/support/servers.ts).
describe.skipIf(inject('kafka4') === undefined)('a consumer group', () => {
  const bootstrap = inject('kafka4')!;

  it('divides a topic that has grown, also where its leader does not read that topic', async () => {
    const [group, admin] = [randomUUID(), openAdmin(bootstrap)];
    const [leaders, others] = [newTopic(), newTopic()];
    const leader = member(openKafkaLog(kafkaLogOptions(bootstrap, leaders)), leaders, group);
    await expect.poll(() => leader.partitions).toEqual([0, 1, 2]);
    const other = member(openKafkaLog(kafkaLogOptions(bootstrap, others)), others, group);
    await expect.poll(() => other.partitions).toEqual([0, 1, 2]);
    await grow(admin, others, 4);
    await expect.poll(() => other.partitions).toEqual([0, 1, 2, 3]);
    expect(leader.partitions).toEqual([0, 1, 2]);
  });

  it.each([
    ['consumer', (topic: string) => new Consumer(kafkaLogOptions(bootstrap, topic), randomUUID(), true)],
    ['producer', (topic: string) => createProducer(kafkaLogOptions(bootstrap, topic))],
  ])('is told what is so now, whatever the clock was when its %s last asked', async (_name, open) => {
    const [topic, admin] = [newTopic(), openAdmin(bootstrap)];
    await admin.createTopics({ topics: [topic], partitions: 3, replicas: 1 });
    await expect.poll(() => partitionsOf(admin, topic, true).catch(() => undefined)).toBe(3);
    const client = open(topic);
    onTestFinished(() => client.close());
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const truth = new Date();
    vi.setSystemTime(truth.getTime() + JUMP_MS);
    expect(await partitionsOf(client, topic)).toBe(3);
    vi.setSystemTime(truth);
    await grow(admin, topic, 4);
    expect(await partitionsOf(client, topic)).toBe(4);
  });
});
