// Reading a topic as a member of a group, nothing done with it: against Kafka's own ConsumerPerformance.
import { randomUUID } from 'node:crypto';
import { KAFKA_4 } from '../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../src/cli/kafka/kafka-server.ts';
import { type EventLog, flattenBatches } from '../src/log/event-log.ts';
import { openLog, produceBacklog } from './backlog.ts';
import type { BenchOptions, TestCluster } from './ground.ts';
import type { Row } from './rows.ts';

export async function benchConsume(ground: TestCluster, { runs, events }: BenchOptions): Promise<Row[]> {
  const { bootstrap } = await ground.kafka();
  const tools = await KafkaServer.tools(KAFKA_4);
  const topic = await ground.topic('consume');
  await produceBacklog(ground, topic, events);
  const limit: number[] = [];
  const rates: number[] = [];
  for (let run = 0; run < runs; run++) {
    const said = await tools.tool('org.apache.kafka.tools.ConsumerPerformance', [
      '--bootstrap-server',
      bootstrap,
      '--topic',
      topic,
      '--messages',
      String(events),
      '--group',
      randomUUID(),
    ]);
    // The last column of the last line: messages a second of fetching, without the time to join.
    limit.push(Number(said.trim().split('\n').at(-1)!.split(',').at(-1)));
    rates.push(await read(ground, topic));
    console.error(`consume, run ${run + 1}: ${Math.round(rates.at(-1)!)} of ${Math.round(limit.at(-1)!)}/s`);
  }
  return [
    {
      part: 'consume',
      what: 'reading a topic as the consumer does',
      unit: 'records/s',
      runs: rates,
      limit: { name: 'ConsumerPerformance', runs: limit },
    },
  ];
}

/** @returns records a second, from the first batch on: joining the group does not count */
async function read(ground: TestCluster, topic: string): Promise<number> {
  const log = await openLog(ground, topic);
  let records = 0;
  let startedAt = 0;
  let endedAt = 0;
  for await (const batch of readAsMember(log, topic)) {
    endedAt = performance.now();
    if (startedAt === 0) startedAt = endedAt;
    else records += batch.records.length;
  }
  await log.close();
  return (records / (endedAt - startedAt)) * 1000;
}

/** Everything the log held at the start. */
async function* readAsMember(log: EventLog, topic: string) {
  const behind = new Map<number, number>();
  const done = new AbortController();
  const reading = log.subscribe({
    topic,
    group: randomUUID(),
    signal: done.signal,
    onAssigned: async (assigned) => {
      for (const { partition, earliest, end } of assigned) if (end > earliest) behind.set(partition, end);
      return {
        positions: new Map(assigned.map(({ partition, earliest }) => [partition, { offset: earliest }])),
      };
    },
  });
  for await (const batch of flattenBatches(reading)) {
    yield batch;
    if (batch.nextOffset >= behind.get(batch.partition)!) behind.delete(batch.partition);
    if (behind.size === 0) done.abort();
  }
}
