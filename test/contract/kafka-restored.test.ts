import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { tracingChannel } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { KAFKA_4 } from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import type { LogBatch } from '../../src/log/event-log.ts';
import { KafkaLog, type KafkaLogOptions } from '../../src/log/kafka/kafka-log.ts';
import { appendTo } from '../support/append.ts';
import { kafkaLogOptions, newTopic, openKafkaLog } from '../support/kafka-log.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { tempFolder } from '../support/temp-folder.ts';

const TOPIC = newTopic();

/** Closed at once: nothing of it is left to notice that the broker goes away. */
async function write(options: KafkaLogOptions, value: string, count: number): Promise<void> {
  const log = new KafkaLog(options);
  const records = Array.from({ length: count }, () => ({ topic: TOPIC, key: 'user', value, headers: [] }));
  await appendTo(log, records);
  await log.close();
}

/** Resolves when the client has no fetch in flight. */
function watchFetches(): () => Promise<void> {
  let [begun, ended] = [0, 0];
  const nothing = () => {};
  const handlers = {
    start: () => void begun++,
    asyncEnd: () => void ended++,
    end: nothing,
    asyncStart: nothing,
    error: nothing,
  };
  const channel = tracingChannel('plt:kafka:consumer:fetches');
  channel.subscribe(handlers);
  onTestFinished(() => void channel.unsubscribe(handlers));
  return () => expect.poll(() => begun > 0 && ended === begun).toBe(true);
}

/** Reads when told to; what it is given, and when it is asked where to start, is in `seen`. */
function openReading(options: KafkaLogOptions) {
  const seen: string[] = [];
  let next = 0;
  const batches = openKafkaLog(options).subscribe({
    topic: TOPIC,
    group: randomUUID(),
    signal: new AbortController().signal,
    onAssigned: async (assigned) => {
      if (seen.at(-1) !== 'asked') seen.push('asked');
      return { positions: new Map(assigned.map(({ partition }) => [partition, { offset: next }])) };
    },
  });
  const reading = batches[Symbol.asyncIterator]();
  return {
    seen,
    async read(count: number): Promise<void> {
      for (const until = next + count; next < until; ) {
        const { value } = (await reading.next()) as { value: LogBatch[] };
        next = value[0]!.nextOffset;
        seen.push(...new Set(value[0]!.records.map((record) => String(record.value))));
      }
    },
  };
}

// Only where there is no Java to run Kafka, which is an error in CI (test/support/servers.ts).
describe.skipIf(inject('kafka4') === undefined)('a cluster put back to an earlier state', () => {
  it('is asked what it holds before anything is read where offsets and leader epochs are used again', async () => {
    const folder = await tempFolder();
    const [data, backup] = [join(folder, 'data'), join(folder, 'backup')];
    const kafka = await KafkaServer.start({ version: KAFKA_4, port: 0, dataDir: data });
    onTestFinished(() => kafka.stop());
    const options = {
      ...kafkaLogOptions(kafka.bootstrap, TOPIC),
      topics: [{ name: TOPIC }],
      partitions: 1,
      // The group sees one member all the while: nothing of it makes the reader ask.
      sessionTimeoutMs: PATIENCE_MS,
    };
    const isIdle = watchFetches();
    const { seen, read } = openReading(options);
    await write(options, 'both', 5);
    await read(5);
    await isIdle();
    await kafka.stopBroker();
    execFileSync('cp', ['-a', data, backup]);
    await kafka.startBroker();
    await write(options, 'lost', 5);
    await read(5);
    await isIdle();
    await kafka.stopBroker();
    execFileSync('rm', ['-rf', data]);
    execFileSync('mv', [backup, data]);
    await kafka.startBroker();
    await write(options, 'written again', 20);
    await read(5);
    expect(seen).toEqual(['asked', 'both', 'asked', 'lost', 'asked', 'written again']);
  });
});
