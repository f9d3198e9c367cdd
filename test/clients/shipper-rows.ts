// Shippers of logs cannot be had from a registry: what they send is written here as their sources write it.
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { same, typesAndUsers } from './check.ts';
import type { Running, TestCluster } from './ground.ts';
import type { Row } from './row.ts';
import { USER } from './segment-rows.ts';

/** How a shipper writes events and reads statuses. */
interface Shipper {
  body(events: readonly object[]): string;
  headers: Record<string, string>;
  /** What it does with a chunk that is answered so. */
  next(status: number): 'done' | 'dropped' | 'again';
}

/** out_http: 4xx but 408 and 429 are dropped, what is not 200 to 205 comes again. */
const FLUENT_BIT: Shipper = {
  body: (events) => JSON.stringify(events),
  headers: { 'Content-Type': 'application/json', 'User-Agent': 'Fluent-Bit' },
  next: (status) => {
    if (status >= 200 && status <= 205) return 'done';
    return status >= 400 && status < 500 && status !== 408 && status !== 429 ? 'dropped' : 'again';
  },
};
const FLUENT_BIT_LINES: Shipper = {
  ...FLUENT_BIT,
  body: (events) => events.map((event) => `${JSON.stringify(event)}\n`).join(''),
  headers: { ...FLUENT_BIT.headers, 'Content-Type': 'application/x-ndjson' },
};
/** The http sink: any 2xx is success; 408, 429 and 5xx come again. */
const VECTOR: Shipper = {
  body: (events) => events.map((event) => JSON.stringify(event)).join('\n'),
  headers: { 'Content-Type': 'application/x-ndjson', 'User-Agent': 'Vector' },
  next: (status) => {
    if (status < 300) return 'done';
    return status === 408 || status === 429 || status >= 500 ? 'again' : 'dropped';
  },
};
/** The http output: these statuses come again at its defaults. */
const LOGSTASH_RETRIES = [429, 500, 502, 503, 504];
const LOGSTASH: Shipper = {
  body: (events) => JSON.stringify(events),
  headers: { 'Content-Type': 'application/json', 'User-Agent': 'Manticore' },
  next: (status) => {
    if (status < 300) return 'done';
    return LOGSTASH_RETRIES.includes(status) ? 'again' : 'dropped';
  },
};

const TYPES = ['LOGIN', 'LOGOUT', 'PRODUCT_VIEW'];
/** Fluent Bit has six digits after the second, Vector nine. */
const TIMES = ['2026-01-02T03:04:05.000001Z', '2026-01-02T03:04:05.123456789Z', '2026-01-02T03:04:06Z'];

/** With members that the shippers add, which are none of an event. */
function chunk(): object[] {
  return TYPES.map((eventType, at) => ({
    timestamp: TIMES[at],
    userId: USER,
    eventType,
    payload: { city: 'Köln', chunk: randomUUID() },
    host: 'web-1',
    source_type: 'file',
  }));
}

async function send(
  shipper: Shipper,
  { url, writeKey }: Running,
  events: readonly object[],
): Promise<number> {
  const headers = { ...shipper.headers, Authorization: `Bearer ${writeKey}`, 'Content-Encoding': 'gzip' };
  const body = new Uint8Array(gzipSync(shipper.body(events)));
  const answer = await fetch(`${url}/events/batch?dedupe=content`, { method: 'POST', headers, body });
  await answer.arrayBuffer();
  return answer.status;
}

async function checkShipper(shipper: Shipper, ground: TestCluster): Promise<void> {
  const service = await ground.serviceWithKeys();
  const wanted = TYPES.map((type) => `${type} of ${USER}`);
  const events = chunk();
  // The second time it has not seen the first answer.
  for (const _time of ['first', 'again']) {
    same('a good chunk is', shipper.next(await send(shipper, service, events)), 'done');
  }
  same('stored of a chunk sent twice', typesAndUsers(await service.stored()), wanted);
  const mixed = [{ userId: '', eventType: 'LOGIN' }, ...chunk()];
  same('a chunk with a refused event is', shipper.next(await send(shipper, service, mixed)), 'dropped');
  const both = [...wanted, ...wanted].sort();
  same('stored with the good ones of that', typesAndUsers(await service.stored()), both);
}

function shipperRow(name: string, shipper: Shipper): Row {
  return {
    name,
    version: 'its wire format',
    isQuick: true,
    checked: 'a chunk sent twice; a refusal',
    install: async () => ({ command: '', args: [] }),
    check: (_program, ground) => checkShipper(shipper, ground),
  };
}

export const SHIPPER_ROWS: Row[] = [
  shipperRow('Fluent Bit (json)', FLUENT_BIT),
  shipperRow('Fluent Bit (json_lines)', FLUENT_BIT_LINES),
  shipperRow('Vector', VECTOR),
  shipperRow('Logstash', LOGSTASH),
];
