// From POST until the event can be queried, at a steady rate on Kafka and PostgreSQL.
import autocannon from 'autocannon';
import type { BenchOptions, TestCluster } from './ground.ts';
import type { Row } from './rows.ts';

const EVENTS_PER_SECOND = 2000;
const CONNECTIONS = 100;
const WARM_UP_SECONDS = 3;

export async function benchLatency(ground: TestCluster, { runs, seconds }: BenchOptions): Promise<Row[]> {
  const footfall = await ground.footfall(await ground.kafkaAndPostgres('latency'));
  const p50: number[] = [];
  const p99: number[] = [];
  try {
    await post(footfall.url, WARM_UP_SECONDS);
    for (let run = 0; run < runs; run++) {
      const { latency, non2xx, errors } = await post(footfall.url, seconds);
      if (non2xx + errors > 0) throw new Error(`${non2xx + errors} requests failed`);
      p50.push(latency.p50);
      p99.push(latency.p99);
    }
  } finally {
    await footfall.stop();
  }
  const what = `POST until it can be queried, ${EVENTS_PER_SECOND} events/s`;
  return [
    { part: 'latency', what: `${what}, p50`, unit: 'ms', runs: p50, wanted: { atMost: 10 } },
    { part: 'latency', what: `${what}, p99`, unit: 'ms', runs: p99, wanted: { atMost: 50 } },
  ];
}

function post(url: string, duration: number): Promise<autocannon.Result> {
  return autocannon({
    url: `${url}/events/generate?ack=stored`,
    method: 'POST',
    duration,
    connections: CONNECTIONS,
    overallRate: EVENTS_PER_SECOND,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ userId: 'user-1', eventType: 'LOGIN', payload: { device: 'phone' } }),
  });
}
