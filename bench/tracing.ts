// CPU time for each request or event with traces, against without. Both services are in one process and work in turns, so
// that compiled code, the heap and what else the machine does are the same for both: what is looked for is smaller than that.
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { produceBacklog } from './backlog.ts';
import { postBatches } from './batch.ts';
import { untilStored } from './catch-up.ts';
import { type BenchOptions, type Measured, startNode, type TestCluster } from './ground.ts';
import { postEvents } from './load.ts';
import { median, type Row, ratios } from './rows.ts';

const MOST = 1.03;
const CONNECTIONS = 64;
const TURN_SECONDS = 1;
/** Of the default, and of everything. */
const SHARES = [0.01, 1];

const SIDES = ['off', 'on'] as const;
type Side = (typeof SIDES)[number];
type Sides<T> = Record<Side, T>;

/** Something that is done on one side. @returns how many requests or events that were */
type Work = (side: Side) => Promise<number>;

export async function benchTracing(ground: TestCluster, options: BenchOptions): Promise<Row[]> {
  const collector = await openCollector();
  const together = await startNode(['bench/in-one-process.ts']);
  try {
    const rows: Row[] = [];
    for (const share of SHARES) {
      const settings = {
        on: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER_ARG: String(share) },
        off: {},
      };
      const told = { ground, options, together, settings, share };
      rows.push(...(await benchRequests(told)), await benchConsumer(told));
    }
    if (collector.bytes() === 0) throw new Error('the collector got nothing');
    return rows;
  } finally {
    await together.stop();
    collector.close();
  }
}

interface Told {
  ground: TestCluster;
  options: BenchOptions;
  together: Measured;
  settings: Sides<Record<string, string>>;
  share: number;
}

type Load = (measured: { url: string }, folder: string, seconds: number) => Promise<number>;

const LOADS: Record<string, Load> = {
  [`single POST, ROLE=api, ${CONNECTIONS} connections`]: async ({ url }, folder, seconds) =>
    (await postEvents({ url, connections: CONNECTIONS, seconds, folder })).requestsPerSecond * seconds,
  'batches of 500, ROLE=api': ({ url }, _folder, seconds) => postBatches(url, seconds),
};

async function benchRequests(told: Told): Promise<Row[]> {
  const { ground, options, together, settings } = told;
  const env = { ...(await ground.kafkaAndPostgres(`tracing-${told.share}`)), ROLE: 'api' };
  const rows: Row[] = [];
  for (const [what, load] of Object.entries(LOADS)) {
    const urls = { off: '', on: '' };
    const work: Work = (side) => load({ url: urls[side] }, ground.folder, TURN_SECONDS);
    rows.push(
      await inTurns(told, what, {
        turns: Math.ceil(options.seconds / TURN_SECONDS),
        async before(sides) {
          for (const side of sides)
            urls[side] = await ask(together, '/start', JSON.stringify({ ...env, ...settings[side] }));
          for (const side of sides) await work(side);
        },
        work,
        async after() {
          for (const side of SIDES) await ask(together, '/stop', urls[side]);
        },
      }),
    );
  }
  return rows;
}

/** A backlog as instances leave it that trace so many of their requests, against one without traces. */
async function benchConsumer(told: Told): Promise<Row> {
  const { ground, options, together, settings, share } = told;
  const { events } = options;
  const { bootstrap } = await ground.kafka();
  const topics = {
    on: await ground.topic(`traced-${share}`),
    off: await ground.topic(`not-traced-${share}`),
  };
  for (const side of SIDES) {
    await produceBacklog(ground, topics[side], events, ({ eventType, key }, index) => [
      ['event-type', eventType],
      ['event-id', key],
      ...(side === 'on' && index % Math.round(1 / share) === 0
        ? [['traceparent', traceparent()] as const]
        : []),
    ]);
  }
  const work: Work = async (side) => {
    const own = { KAFKA_BROKERS: bootstrap, KAFKA_TOPIC: topics[side], KAFKA_CONSUMER_GROUP: randomUUID() };
    const env = { ...own, ...settings[side], DATABASE_URL: await ground.database() };
    const url = await ask(together, '/start', JSON.stringify(env));
    await untilStored({ url }, events);
    await ask(together, '/stop', url);
    await ground.settle();
    return events;
  };
  return inTurns(told, `backlog of ${events} into PostgreSQL`, { turns: 1, work });
}

const traceparent = () => `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;

interface Turns {
  /** How often each side works in a run. */
  turns: number;
  /** @param sides who comes first changes from run to run */
  before?(sides: readonly Side[]): Promise<void>;
  work: Work;
  after?(): Promise<void>;
}

async function inTurns(told: Told, what: string, { turns, before, work, after }: Turns): Promise<Row> {
  const { options, together, share } = told;
  const row = {
    part: 'tracing',
    what: `${what}, ${share * 100} % traced`,
    unit: 'µs of CPU for each',
    runs: [] as number[],
    limit: { name: 'the same without traces', runs: [] as number[] },
    byMedian: true as const,
    // What is wanted is of the default.
    ...(share === SHARES[0] && { wanted: { atMost: MOST } }),
  };
  // The first is to warm up.
  for (let run = 0; run <= options.runs; run++) {
    const sides = run % 2 === 0 ? SIDES : SIDES.toReversed();
    const spent = { on: { cpuMs: 0, count: 0 }, off: { cpuMs: 0, count: 0 } };
    await before?.(sides);
    for (let turn = 0; turn < turns; turn++) {
      for (const side of turn % 2 === 0 ? sides : sides.toReversed()) {
        const cpuMs = together.cpuMs();
        spent[side].count += await work(side);
        spent[side].cpuMs += together.cpuMs() - cpuMs;
      }
    }
    await after?.();
    if (run === 0) continue;
    row.runs.push((spent.on.cpuMs * 1000) / spent.on.count);
    row.limit.runs.push((spent.off.cpuMs * 1000) / spent.off.count);
    const [on, off] = [row.runs.at(-1)!.toFixed(1), row.limit.runs.at(-1)!.toFixed(1)];
    const all = ratios(row);
    console.error(
      `tracing, ${row.what}, run ${run}: ${on} to ${off} µs, ${all.at(-1)!.toFixed(3)}; median ${median(all).toFixed(3)}`,
    );
  }
  return row;
}

async function ask({ url }: Measured, path: string, body: string): Promise<string> {
  const answer = await fetch(url + path, { method: 'POST', body });
  if (!answer.ok) throw new Error(`${path} ended with ${answer.status}`);
  return answer.text();
}

/** Takes what an OpenTelemetry collector takes, and does nothing with it. */
async function openCollector() {
  let bytes = 0;
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => response.setHeader('Content-Type', 'application/x-protobuf').end());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: () => bytes,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
