import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { Consumer } from '../../src/log/kafka/consumer.ts';
import { kafkaLogOptions, newTopic, openAdmin } from '../support/kafka-log.ts';

/** The address of what takes connections and never answers, as a frozen broker does. */
async function silentBroker(): Promise<string> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function open(brokers: string[], joins: boolean): Consumer {
  const consumer = new Consumer({ ...kafkaLogOptions(brokers[0]!, 'any'), brokers }, randomUUID(), joins);
  onTestFinished(() => consumer.close(true));
  return consumer;
}

/** Which broker a client begins with. @param share of the list */
function beginAt(share: number): void {
  vi.spyOn(Math, 'random').mockReturnValue(share);
  onTestFinished(() => void vi.restoreAllMocks());
}

// Only where there is no Java to run Kafka, which is an error in CI (test/support/servers.ts).
describe.skipIf(inject('kafka4') === undefined)('beside a broker that does not answer', () => {
  const bootstrap = inject('kafka4')!;

  async function newTopicThere(): Promise<string> {
    const topic = newTopic();
    await openAdmin(bootstrap).createTopics({ topics: [topic], partitions: 3, replicas: 1 });
    return topic;
  }

  it('a client that reads asks another one', async () => {
    const topic = await newTopicThere();
    beginAt(0);
    const reader = open([await silentBroker(), bootstrap], false);
    await expect.poll(() => reader.describeTopic(topic)).toMatchObject({ partitionsCount: 3 });
  });

  it('the client that replaces a member begins with any of them', async () => {
    const topic = await newTopicThere();
    const brokers = [await silentBroker(), bootstrap];
    beginAt(0.5);
    const member = open(brokers, true);
    await expect.poll(() => member.describeTopic(topic)).toMatchObject({ partitionsCount: 3 });
  });
});

it.each([
  ['what a topic is', (consumer: Consumer) => consumer.describeTopic('a topic'), 'metadata'],
  [
    'where it ends',
    (consumer: Consumer) => consumer.offsetsOf({ topic: 'a topic', timestamp: -1n }),
    'list offsets',
  ],
])(
  'a member that is not told %s says so, and does not wait for as long as a join may take',
  async (_, ask, what) => {
    const consumer = open([await silentBroker()], true);
    await expect(ask(consumer)).rejects.toThrow(`${what}: no answer within 10000 ms`);
  },
);
