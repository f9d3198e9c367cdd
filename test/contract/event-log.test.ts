import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Admin, Producer } from '@platformatic/kafka';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import type { EmbeddedLog } from '../../src/log/embedded/embedded-log.ts';
import { flattenBatches } from '../../src/log/event-log.ts';
import { hasKafkaError } from '../../src/log/kafka/client.ts';
import { KafkaLog } from '../../src/log/kafka/kafka-log.ts';
import { openSqliteFile } from '../../src/sqlite/sqlite-file.ts';
import { appendTo } from '../support/append.ts';
import { logIn } from '../support/embedded-log.ts';
import { kafkaLogOptions, openAdmin, openKafkaLog, openTransaction } from '../support/kafka-log.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { eventLogContract, type LogHarness, startAtOffsets } from './event-log.contract.ts';

describe('embedded log', () => {
  async function open(): Promise<LogHarness> {
    const path = join(await tempFolder(), 'footfall.db');
    let file = openSqliteFile(path);
    onTestFinished(() => file.close());
    const reopen = async () => {
      file.close();
      file = openSqliteFile(path);
      return logIn(file, 3);
    };
    return {
      log: logIn(file, 3),
      topic: 'events',
      otherTopic: 'events.dlt',
      group: 'group',
      reopen,
    };
  }

  eventLogContract(open);

  it('keeps the partitions a topic was created with', async () => {
    const path = join(await tempFolder(), 'footfall.db');
    const file = openSqliteFile(path);
    onTestFinished(() => file.close());
    const append = (log: EmbeddedLog) =>
      appendTo(log, [{ topic: 'events', key: 'carol', value: 'x', headers: [] }]);
    expect(await append(logIn(file, 3))).toMatchObject([{ partition: 2, offset: 0 }]);
    expect(await append(logIn(file, 1))).toMatchObject([{ partition: 2, offset: 1 }]);
  });

  it('tells the caller when a write fails, and writes nothing of it', async () => {
    const { log, topic } = await open();
    const bad = {
      topic,
      key: 'alice',
      value: 'x',
      headers: [['h', 7 as unknown as string]] as [string, string][],
    };
    await expect(appendTo(log, [{ ...bad, headers: [] }, bad])).rejects.toMatchObject({
      failure: 'unconfirmed',
    });
    expect(await appendTo(log, [{ ...bad, headers: [] }])).toMatchObject([{ offset: 0 }]);
  });
});

for (const version of ['kafka4', 'kafka3'] as const) {
  const brokers = inject(version);
  const options = (topic: string) => kafkaLogOptions(brokers!, topic);

  // Only where there is no Java to run Kafka, which is an error in CI (test/support/servers.ts).
  describe.skipIf(brokers === undefined)(
    version === 'kafka4' ? 'Apache Kafka 4 (KRaft)' : 'Apache Kafka 3.9 (ZooKeeper)',
    () => {
      async function open(): Promise<LogHarness> {
        const topic = `events-${randomUUID()}`;
        const log = openKafkaLog(options(topic));
        const reopen = async () => new KafkaLog(options(topic));
        return { log, topic, otherTopic: `${topic}.dlt`, group: `group-${randomUUID()}`, reopen };
      }

      eventLogContract(open);

      it('creates the topic once when several instances start at the same time', async () => {
        const topic = `events-${randomUUID()}`;
        const logs = [1, 2, 3].map(() => new KafkaLog(options(topic)));
        onTestFinished(async () => void (await Promise.all(logs.map((log) => log.close()))));
        const receipts = await Promise.all(
          logs.map((log) => appendTo(log, [{ topic, key: 'alice', value: 'x', headers: [] }])),
        );
        expect(
          receipts
            .flat()
            .map(({ partition, offset }) => [partition, offset])
            .sort(),
        ).toEqual([
          [0, 0],
          [0, 1],
          [0, 2],
        ]);
      });

      it('reads what other producers wrote: compressed, in transactions, without what was rolled back', async () => {
        const { log, topic, group } = await open();
        await log.ping(PATIENCE_MS);
        const write = async (value: string, how: { compression?: 'gzip' | 'snappy' | 'lz4' | 'zstd' }) => {
          const producer = new Producer({ clientId: 'foreign', bootstrapBrokers: [brokers!] });
          await producer.send({
            ...how,
            messages: [{ topic, partition: 0, value: Buffer.from(value) }],
            acks: -1,
          });
          await producer.close();
        };
        for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const)
          await write(compression, { compression });
        for (const outcome of ['abort', 'commit'] as const) {
          const transaction = await openTransaction(brokers!, topic, outcome);
          await transaction[outcome]();
        }
        await write('last', {});
        const stop = new AbortController();
        const values: string[] = [];
        let next = 0;
        const onAssigned = async () => startAtOffsets(new Map([[0, 0]]));
        for await (const batch of flattenBatches(
          log.subscribe({ topic, group, signal: stop.signal, onAssigned }),
        )) {
          values.push(...batch.records.map(({ value }) => value!.toString()));
          next = batch.nextOffset;
          if (values.includes('last')) stop.abort();
        }
        expect(values).toEqual(['gzip', 'snappy', 'lz4', 'zstd', 'commit', 'last']);
        // The markers of both transactions and the record rolled back have offsets, too.
        expect(next).toBe(9);
        const scanned = (await Array.fromAsync(log.scan(topic))).flatMap(({ records }) => records);
        expect(scanned.map(({ value }) => value!.toString())).toEqual(values);
      });

      it('leaves out what was rolled back also while another transaction is open', async () => {
        const { log, topic, group } = await open();
        await log.ping(PATIENCE_MS);
        const first = await openTransaction(brokers!, topic, 'rolled back');
        const second = await openTransaction(brokers!, topic, 'committed');
        await first.abort();
        const stop = new AbortController();
        const values: string[] = [];
        let next = 0;
        const onAssigned = async () => startAtOffsets(new Map([[0, 0]]));
        for await (const batch of flattenBatches(
          log.subscribe({ topic, group, signal: stop.signal, onAssigned }),
        )) {
          values.push(...batch.records.map(({ value }) => value!.toString()));
          // The open transaction holds back all behind it, the end of the one rolled back, too.
          if (next === 0) await second.commit();
          next = batch.nextOffset;
          if (next === 4) stop.abort();
        }
        expect(values).toEqual(['committed']);
        expect(await log.read(topic, [{ partition: 0, offset: 0 }])).toEqual([undefined]);
      });

      it('refuses a record the topic finds too large, and no other of the same write', async () => {
        const topic = `events-${randomUUID()}`;
        const configs = { 'max.message.bytes': '2000' };
        const log = new KafkaLog({
          ...options(topic),
          topics: [{ name: topic, configs }],
        });
        onTestFinished(() => log.close());
        const sizes = [10, 5000, 20, 1500, 1500, 30];
        const appends = sizes.map((size, at) =>
          appendTo(log, [{ topic, key: ['alice', 'dave'][at % 2]!, value: 'x'.repeat(size), headers: [] }]),
        );
        const outcomes = await Promise.allSettled(appends);
        expect(outcomes.map(({ status }) => status)).toEqual(
          sizes.map((size) => (size > 2000 ? 'rejected' : 'fulfilled')),
        );
        await expect(appends[1]).rejects.toMatchObject({
          failure: 'too-large',
          retryable: false,
        });
        const positions = [0, 1].flatMap((partition) => [0, 1, 2].map((offset) => ({ partition, offset })));
        const written = (await log.read(topic, positions)).flatMap((record) =>
          record ? [record.value!.length] : [],
        );
        expect(written.sort()).toEqual(sizes.filter((size) => size < 2000).sort());
        expect(await appendTo(log, [{ topic, key: 'alice', value: 'after', headers: [] }])).toMatchObject([
          { partition: 0 },
        ]);
      });

      it("takes the broker's time where the topic is set to it", async () => {
        const topic = `events-${randomUUID()}`;
        const configs = { 'message.timestamp.type': 'LogAppendTime' };
        const log = new KafkaLog({
          ...options(topic),
          topics: [{ name: topic, configs }],
        });
        onTestFinished(() => log.close());
        const before = Date.now();
        await appendTo(
          log,
          ['a', 'b'].map((value) => ({ topic, key: 'alice', value, headers: [] })),
        );
        const [, second] = await log.read(
          topic,
          [0, 1].map((offset) => ({ partition: 0, offset })),
        );
        expect(second).toMatchObject({ timestampType: 'LogAppendTime', value: Buffer.from('b') });
        expect(second!.timestamp).toBeGreaterThanOrEqual(before);
        expect(second!.timestamp).toBeLessThanOrEqual(Date.now());
      });

      it('commits to Kafka what was processed, for lag tools, without holding up the reading', async () => {
        const { log, topic, group } = await open();
        await appendTo(
          log,
          Array.from({ length: 50 }, () => ({ topic, key: 'alice', value: 'x', headers: [] })),
        );
        const admin = new Admin({ clientId: 'lag-tool', bootstrapBrokers: [brokers!] });
        onTestFinished(() => admin.close());
        const committed = async () => {
          const [offsets] = await admin.listConsumerGroupOffsets({ groups: [group] });
          return offsets!.topics.flatMap(({ partitions }) =>
            partitions.map((own) => [own.partitionIndex, own.committedOffset]),
          );
        };
        const stop = new AbortController();
        const starts = [0, 1, 2].map((partition) => [partition, 0] as const);
        const onAssigned = async () => startAtOffsets(new Map(starts));
        for await (const batch of flattenBatches(
          log.subscribe({ topic, group, signal: stop.signal, onAssigned }),
        )) {
          batch.commit();
          batch.commit();
          if (batch.nextOffset === 50) {
            // Idle partitions, too: lag tools go by what is committed.
            await expect
              .poll(async () => (await committed()).sort())
              .toEqual([
                [0, 50n],
                [1, 0n],
                [2, 0n],
              ]);
          }
          if (batch.nextOffset === 50) stop.abort();
        }
      });

      it('reads a partition that is added while it reads, from its first record', async () => {
        const { log, topic, group } = await open();
        await log.ping(PATIENCE_MS);
        const admin = new Admin({ clientId: 'operator', bootstrapBrokers: [brokers!] });
        const producer = new Producer({ clientId: 'foreign', bootstrapBrokers: [brokers!] });
        onTestFinished(async () => void (await Promise.all([admin.close(), producer.close()])));
        const stop = new AbortController();
        let growing: Promise<void> | undefined;
        const onAssigned = async (assigned: readonly { partition: number }[]) => {
          if (assigned.length === 4)
            return startAtOffsets(new Map(assigned.map(({ partition }) => [partition, 0])));
          const grow = async () => {
            await admin.createPartitions({
              topics: [{ name: topic, count: 4, assignments: [{ brokerIds: [1] }] }],
            });
            await expect
              .poll(
                async () =>
                  (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)!
                    .partitionsCount,
              )
              .toBe(4);
            await producer.send({ messages: [{ topic, partition: 3, value: Buffer.from('new') }], acks: -1 });
          };
          growing ??= grow();
          return startAtOffsets(new Map());
        };
        const batches = flattenBatches(log.subscribe({ topic, group, signal: stop.signal, onAssigned }));
        for await (const { partition, records } of batches) {
          expect([partition, records.map(({ offset, value }) => [offset, value!.toString()])]).toEqual([
            3,
            [[0, 'new']],
          ]);
          stop.abort();
        }
        await growing;
      });

      it('says that an open transaction holds back what comes after it, and since when', async () => {
        const { log, topic } = await open();
        await log.ping(PATIENCE_MS);
        await appendTo(log, [{ topic, key: 'alice', value: 'before', headers: [] }]);
        const began = Date.now();
        const transaction = await openTransaction(brokers!, topic, 'open');
        await appendTo(log, [{ topic, key: 'alice', value: 'after', headers: [] }]);
        expect((await log.ends(topic)).ends.get(0)).toEqual({ end: 3, stable: 1 });
        const [since] = await log.timestamps(topic, [{ partition: 0, offset: 1 }]);
        expect(since).toBeGreaterThanOrEqual(began - 1);
        expect(since).toBeLessThanOrEqual(Date.now());
        await transaction.commit();
        await expect.poll(async () => (await log.ends(topic)).ends.get(0)).toEqual({ end: 4, stable: 4 });
      });

      it('ends a reading whose broker refuses its offset, so that it begins anew', async () => {
        const { log, topic, group } = await open();
        const signal = new AbortController().signal;
        const reading = log.subscribe({
          topic,
          group,
          signal,
          onAssigned: async () => startAtOffsets(new Map([[0, 7]])),
        });
        await expect(Array.fromAsync(reading)).rejects.toSatisfy((error) =>
          hasKafkaError(error, 'OFFSET_OUT_OF_RANGE'),
        );
      });

      /** A topic whose first partition takes several fetches to read. */
      async function openLong() {
        const { log, topic } = await open();
        const value = Buffer.alloc(400_000, 'v');
        const keys = [...Array(10).fill('alice'), ...Array(5).fill('dave')] as string[];
        for (const key of keys) await appendTo(log, [{ topic, key, value, headers: [] }]);
        return { log, topic, admin: openAdmin(brokers!) };
      }

      it('goes on with a scan where the log begins by then', async () => {
        const { log, topic, admin } = await openLong();
        const partitions = [{ partition: 1, offset: 3n }];
        const seen: string[] = [];
        for await (const { partition, records } of log.scan(topic)) {
          if (seen.length === 0) await admin.deleteRecords({ topics: [{ name: topic, partitions }] });
          seen.push(...records.map(({ offset }) => `${partition}:${offset}`));
        }
        expect(seen).toEqual([...Array.from({ length: 10 }, (_, at) => `0:${at}`), '1:3', '1:4']);
        expect([...(await log.starts(topic)).starts]).toEqual([
          [0, 0],
          [1, 3],
          [2, 0],
        ]);
      });

      it('ends a scan of a topic that is created again', async () => {
        const { log, topic, admin } = await openLong();
        const scan = log.scan(topic)[Symbol.asyncIterator]();
        await scan.next();
        const { topicId } = await log.ends(topic);
        await admin.deleteTopics({ topics: [topic] });
        await expect
          .poll(() =>
            log
              .ping(PATIENCE_MS)
              .then(() => log.ends(topic))
              .catch(() => ({ topicId })),
          )
          .not.toMatchObject({ topicId });
        await expect(Array.fromAsync({ [Symbol.asyncIterator]: () => scan })).rejects.toThrow(
          'was created again while it was read',
        );
      });

      it('shares the partitions among the members of a group, each record going to one of them', async () => {
        const { log, topic, group, reopen } = await open();
        const other = await reopen();
        onTestFinished(() => other.close());
        const stop = new AbortController();
        const partitionsOf = [new Set<number>(), new Set<number>()];
        const follow = async (member: number) => {
          const onAssigned = async (assigned: readonly { partition: number; end: number }[]) => {
            partitionsOf[member] = new Set(assigned.map(({ partition }) => partition));
            return startAtOffsets(new Map(assigned.map(({ partition, end }) => [partition, end])));
          };
          const reading = [log, other][member]!.subscribe({ topic, group, signal: stop.signal, onAssigned });
          for await (const batch of flattenBatches(reading)) batch.commit();
        };
        const following = [follow(0), follow(1)];
        await expect.poll(() => partitionsOf.map((own) => own.size).sort()).toEqual([1, 2]);
        stop.abort();
        await Promise.all(following);
        expect([...partitionsOf[0]!, ...partitionsOf[1]!].sort()).toEqual([0, 1, 2]);
      });
    },
  );
}

describe('Kafka log without a broker', () => {
  const unreachable = () => openKafkaLog({ ...kafkaLogOptions('127.0.0.1:1', 't'), producerRetries: 1 });

  it('says that an append failed', async () => {
    const appending = appendTo(unreachable(), [{ topic: 't', key: 'k', value: 'v', headers: [] }]);
    await expect(appending).rejects.toMatchObject({ failure: 'unconfirmed', retryable: true });
  });

  it('fails a ping and a reading', async () => {
    await expect(unreachable().ping(PATIENCE_MS)).rejects.toThrow();
    const signal = new AbortController().signal;
    const reading = unreachable().subscribe({
      topic: 't',
      group: 'g',
      signal,
      onAssigned: async () => startAtOffsets(new Map()),
    });
    await expect(Array.fromAsync(reading)).rejects.toThrow();
  });
});
