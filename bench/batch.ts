// Batches of 500 events, against what Kafka's own ProducerPerformance reaches with records of the same size.
import { KAFKA_4 } from '../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../src/cli/kafka/kafka-server.ts';
import type { BenchOptions, TestCluster } from './ground.ts';
import type { Row } from './rows.ts';

const BATCH_EVENTS = 500;
const CONNECTIONS = 8;
const RECORD_BYTES = 250;
const RECORDS = 2_000_000;
const WARM_UP_SECONDS = 3;

export async function benchBatch(ground: TestCluster, options: BenchOptions): Promise<Row[]> {
  const { bootstrap } = await ground.kafka();
  const tools = await KafkaServer.tools(KAFKA_4);
  const limit: number[] = [];
  const runs: number[] = [];
  for (let run = 0; run < options.runs; run++) {
    const topic = await ground.topic(`performance-${run}`);
    const said = await tools.tool('org.apache.kafka.tools.ProducerPerformance', [
      '--topic',
      topic,
      '--num-records',
      String(RECORDS),
      '--record-size',
      String(RECORD_BYTES),
      '--throughput',
      '-1',
      '--producer-props',
      `bootstrap.servers=${bootstrap}`,
      'acks=all',
    ]);
    limit.push(Number([...said.matchAll(/([\d.]+) records\/sec/g)].at(-1)![1]));
    runs.push(await measure(ground, bootstrap, options.seconds, run));
    console.error(
      `batch, run ${run + 1}: ${Math.round(runs.at(-1)!)} of ${Math.round(limit.at(-1)!)} events/s`,
    );
  }
  return [
    {
      part: 'batch',
      what: `Footfall, ROLE=api, batches of ${BATCH_EVENTS}`,
      unit: 'events/s',
      runs,
      limit: { name: 'ProducerPerformance, same size, acks=all', runs: limit },
      wanted: { atLeast: 0.6 },
    },
  ];
}

async function measure(
  ground: TestCluster,
  bootstrap: string,
  seconds: number,
  run: number,
): Promise<number> {
  const footfall = await ground.footfall({
    KAFKA_BROKERS: bootstrap,
    KAFKA_TOPIC: `batches-${run}`,
    ROLE: 'api',
    DATABASE_URL: await ground.database(),
  });
  try {
    await postBatches(footfall.url, WARM_UP_SECONDS);
    return (await postBatches(footfall.url, seconds)) / seconds;
  } finally {
    await footfall.stop();
  }
}

/** @returns how many events were accepted */
export async function postBatches(url: string, seconds: number): Promise<number> {
  const body = JSON.stringify(Array.from({ length: BATCH_EVENTS }, (_, index) => sized(index)));
  const until = performance.now() + seconds * 1000;
  let events = 0;
  const post = async () => {
    while (performance.now() < until) {
      const response = await fetch(`${url}/events/batch`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body,
      });
      await response.arrayBuffer();
      if (response.status !== 201) throw new Error(`a batch was answered with ${response.status}`);
      events += BATCH_EVENTS;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, post));
  return events;
}

/** An event that is as large as a record of the limit once it has its id and time. */
function sized(index: number): object {
  const event = { userId: `user-${index % 1000}`, eventType: 'PRODUCT_VIEW', payload: { text: '' } };
  const added = ',"eventId":"00000000-0000-7000-8000-000000000000","timestamp":"2024-02-14T10:30:00.000Z"';
  event.payload.text = 'x'.repeat(RECORD_BYTES - JSON.stringify(event).length - added.length);
  return event;
}
