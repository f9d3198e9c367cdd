import type { Admin } from '@platformatic/kafka';
import { pino } from 'pino';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import type { NewRecord } from '../../src/log/event-log.ts';
import { createProducer, type Producer } from '../../src/log/kafka/client.ts';
import type { KafkaLog } from '../../src/log/kafka/kafka-log.ts';
import { appendTo } from '../support/append.ts';
import { kafkaLogOptions, newTopic, openAdmin, openKafkaLog } from '../support/kafka-log.ts';
import { PATIENCE_MS } from '../support/patience.ts';

const record = (topic: string, key = 'alice'): NewRecord => ({ topic, key, value: 'x', headers: [] });

/** Nothing, or why a use of the log fails. */
function failureOf(use: Promise<unknown>): Promise<string | undefined> {
  return use.then(
    () => undefined,
    (error: Error) => error.message,
  );
}

async function topicsOf(admin: Admin, topic: string): Promise<string[]> {
  return (await admin.listTopics()).filter((name) => name.startsWith(topic));
}

const USES: [name: string, use: (log: KafkaLog, topic: string) => Promise<unknown>][] = [
  ['an append', (log, topic) => appendTo(log, [record(topic)])],
  ['an append of a dead letter', (log, topic) => appendTo(log, [record(`${topic}.dlt`)])],
  ['a look at the ends', (log, topic) => log.ends(topic)],
  ['a reading of single records', (log, topic) => log.read(topic, [{ partition: 0, offset: 0 }])],
  ['a probe', (log) => log.ping(PATIENCE_MS)],
  ['a reading of the group', (log, topic) => firstAssignment(log, topic)],
];

/** Reads as a member of a group until it has partitions. */
async function firstAssignment(log: KafkaLog, topic: string): Promise<void> {
  const stop = new AbortController();
  const onAssigned = async () => {
    stop.abort();
    return { positions: new Map() };
  };
  for await (const _ of log.subscribe({ topic, group: topic, signal: stop.signal, onAssigned }));
}

for (const version of ['kafka4', 'kafka3'] as const) {
  const bootstrap = inject(version)!;

  // Only where there is no Java to run Kafka, which is an error in CI (test/support/servers.ts).
  describe.skipIf(bootstrap === undefined)(
    version === 'kafka4' ? 'topics on Apache Kafka 4 (KRaft)' : 'topics on Apache Kafka 3.9 (ZooKeeper)',
    () => {
      async function logWithTopics(): Promise<{ log: KafkaLog; topic: string; admin: Admin }> {
        const topic = newTopic();
        const log = openKafkaLog(kafkaLogOptions(bootstrap, topic));
        await appendTo(log, [record(topic), record(`${topic}.dlt`)]);
        await log.read(topic, [{ partition: 0, offset: 0 }]);
        return { log, topic, admin: openAdmin(bootstrap) };
      }

      it.each(USES)('are created again by %s after both were deleted', async (_name, use) => {
        const { log, topic, admin } = await logWithTopics();
        const before = await log.ends(topic);
        await admin.deleteTopics({ topics: [topic, `${topic}.dlt`] });
        // The broker answers before it has let go of them.
        await expect.poll(() => topicsOf(admin, topic)).toEqual([]);
        await expect
          .poll(async () => [await failureOf(use(log, topic)), await topicsOf(admin, topic)])
          .toEqual([undefined, [topic, `${topic}.dlt`]]);
        await log.ping(PATIENCE_MS);
        expect((await log.ends(topic)).topicId).not.toBe(before.topicId);
        const [receipt] = await appendTo(log, [record(topic, 'bob')]);
        expect(await log.read(topic, [receipt!])).toMatchObject([{ value: Buffer.from('x') }]);
      });

      it.each(['', '.dlt'])('are missing in what a probe says: the topic%s', async (suffix) => {
        const { log, topic, admin } = await logWithTopics();
        const name = `${topic}${suffix}`;
        await admin.deleteTopics({ topics: [name] });
        await expect.poll(() => failureOf(log.ping(PATIENCE_MS))).toMatch(`topic ${name} is missing`);
        await expect.poll(() => failureOf(log.ping(PATIENCE_MS))).toBeUndefined();
        expect(await appendTo(log, [record(name)])).toMatchObject([{ offset: 0 }]);
      });

      it('are created once by several instances and a person at the same time', async () => {
        const { log, topic, admin } = await logWithTopics();
        const logs = [log, ...[1, 2].map(() => openKafkaLog(kafkaLogOptions(bootstrap, topic)))];
        for (const one of logs) await one.ping(PATIENCE_MS);
        await admin.deleteTopics({ topics: [topic] });
        await expect.poll(() => topicsOf(admin, topic)).toEqual([`${topic}.dlt`]);
        const person = admin.createTopics({ topics: [topic], partitions: 3 }).catch(() => {});
        const append = (one: KafkaLog) =>
          expect.poll(() => failureOf(appendTo(one, [record(topic)]))).toBeUndefined();
        await Promise.all([person, ...logs.map(append)]);
        const ends = (await log.ends(topic)).ends;
        expect([...ends.values()].reduce((sum, { end }) => sum + end, 0)).toBe(3);
      });

      it('hold nothing of what was read by place in a topic that is gone', async () => {
        const { log, topic, admin } = await logWithTopics();
        const foreign = newTopic();
        await admin.createTopics({ topics: [foreign], partitions: 1 });
        await expect.poll(() => topicsOf(admin, foreign)).toEqual([foreign]);
        const [receipt] = await appendTo(log, [record(foreign)]);
        expect(await log.read(foreign, [receipt!])).toMatchObject([{ offset: 0 }]);
        await admin.deleteTopics({ topics: [foreign] });
        await expect.poll(() => log.read(foreign, [receipt!])).toEqual([undefined]);
        expect(await log.read(topic, [{ partition: 9, offset: 0 }])).toEqual([undefined]);
        expect(await log.read(topic, [{ partition: 0, offset: 0 }])).toMatchObject([{ offset: 0 }]);
      });

      it('are compared at the start, with a warning for each setting that loses something', async () => {
        const topic = newTopic();
        const admin = openAdmin(bootstrap);
        const create = (name: string, configs: Record<string, string>) =>
          admin.createTopics({
            topics: [name],
            configs: Object.entries(configs).map(([setting, value]) => ({ name: setting, value })),
          });
        await create(topic, { 'max.message.bytes': '900000', 'cleanup.policy': 'compact,delete' });
        await create(`${topic}.dlt`, { 'max.message.bytes': '800000', 'cleanup.policy': 'compact' });
        const lines: { topic: string; msg: string }[] = [];
        const logger = pino({ level: 'warn' }, { write: (line) => lines.push(JSON.parse(line)) });
        const log = openKafkaLog({ ...kafkaLogOptions(bootstrap, topic), logger });
        await log.ping(PATIENCE_MS);
        expect(lines.map((line) => [line.topic, line.msg])).toEqual([
          [
            topic,
            expect.stringMatching(/900000 bytes, .* events of 1000000: .* get 413\. Raise .* to 1016384/),
          ],
          [
            topic,
            expect.stringMatching(/compact: Kafka deletes events of a user .*Set cleanup.policy=delete/),
          ],
          [
            `${topic}.dlt`,
            expect.stringMatching(/800000 bytes, .* up to 900000: .* without their bytes\. .* 916384/),
          ],
          [
            `${topic}.dlt`,
            expect.stringMatching(/compact: .* refuses those without a key, of which only origin/),
          ],
        ]);
        await admin.deleteTopics({ topics: [topic, `${topic}.dlt`] });
        await expect
          .poll(async () => [await failureOf(log.ping(PATIENCE_MS)), await topicsOf(admin, topic)])
          .toEqual([undefined, [topic, `${topic}.dlt`]]);
        // Once in the life of a process; and those it creates are as they should be.
        expect(lines).toHaveLength(4);
      });

      it('give no warning as the service creates them', async () => {
        const lines: string[] = [];
        const logger = pino({ level: 'warn' }, { write: (line) => lines.push(line) });
        await openKafkaLog({ ...kafkaLogOptions(bootstrap, newTopic()), logger }).ping(PATIENCE_MS);
        expect(lines).toEqual([]);
      });
    },
  );
}

// Only where there is no Java to run Kafka, which is an error in CI (test/support/servers.ts).
describe.skipIf(inject('kafka4') === undefined)(
  'a topic that was created again with fewer partitions',
  () => {
    function openProducer(topic: string, before?: Producer): Producer {
      const producer = createProducer(kafkaLogOptions(inject('kafka4')!, topic), before);
      onTestFinished(() => producer.close());
      return producer;
    }

    it('is given no record of a partition that is gone, also by a producer that never saw it', async () => {
      const [topic, admin] = [newTopic(), openAdmin(inject('kafka4')!)];
      await admin.createTopics({ topics: [topic], partitions: 4, replicas: 1 });
      const before = openProducer(topic);
      await expect
        .poll(() => failureOf(before.metadata({ topics: [topic], forceUpdate: true })))
        .toBe(undefined);
      await admin.deleteTopics({ topics: [topic] });
      const create = () => admin.createTopics({ topics: [topic], partitions: 3, replicas: 1 });
      await expect.poll(() => failureOf(create())).toBe(undefined);
      const producer = openProducer(topic, before);
      // The broker may know of the deletion a moment later than who asked for it.
      const partitions = async () => {
        const { topics } = await producer.metadata({ topics: [topic], forceUpdate: true });
        return producer.countPartitions(topics.get(topic)!);
      };
      await expect.poll(() => partitions().catch(() => 0)).toBe(3);
      // Placed while the topic had four.
      const value = Buffer.from('x');
      expect(await failureOf(producer.send({ messages: [{ topic, partition: 3, value }] }))).toBeDefined();
      const log = openKafkaLog(kafkaLogOptions(inject('kafka4')!, topic));
      expect([...(await log.ends(topic)).ends.values()].map(({ end }) => end)).toEqual([0, 0, 0]);
    });
  },
);
