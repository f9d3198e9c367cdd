import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import autocannon from 'autocannon';

interface LoadOptions {
  url: string;
  connections: number;
  seconds: number;
  /** For the load generator's own files. */
  folder: string;
  /** Size of an event as it is sent; about 120 bytes without. */
  eventBytes?: number;
}

export interface LoadResult {
  generator: 'wrk' | 'autocannon';
  /** Answered with 2xx. */
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Other answers, and requests that got none. */
  failures: number;
}

/** About 200 bytes of JSON once accepted, as a page view would be. */
const PAYLOAD = { productId: 'prod-789', category: 'electronics', price: 19.99 };

function eventOf(userId: string, bytes = 0): string {
  const event = { userId, eventType: 'PRODUCT_VIEW', payload: { ...PAYLOAD, text: '' } };
  event.payload.text = 'x'.repeat(Math.max(0, bytes - JSON.stringify(event).length));
  return JSON.stringify(event.payload.text === '' ? { ...event, payload: PAYLOAD } : event);
}

/** Posts events of 1000 users over keep-alive connections, with wrk where it is installed. */
export async function postEvents(options: LoadOptions): Promise<LoadResult> {
  return (await hasWrk()) ? withWrk(options) : withAutocannon(options);
}

async function hasWrk(): Promise<boolean> {
  // wrk prints its version and ends with 1.
  const error = await promisify(execFile)('wrk', ['--version']).catch(
    (failure: NodeJS.ErrnoException) => failure,
  );
  return (error as NodeJS.ErrnoException).code !== 'ENOENT';
}

async function withWrk({ url, connections, seconds, folder, eventBytes }: LoadOptions): Promise<LoadResult> {
  const script = join(folder, `post-${randomUUID()}.lua`);
  const [before, after] = eventOf('USER', eventBytes).split('USER');
  await writeFile(
    script,
    `local n = 0
request = function()
  n = n + 1
  return wrk.format('POST', '/events/generate', {['Content-Type'] = 'application/json'}, '${before}user-' .. (n % 1000) .. '${after}')
end
done = function(summary, latency)
  local e = summary.errors
  print(string.format('RESULT %f %f %f %d', (summary.requests - e.status) / summary.duration * 1e6, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, e.connect + e.read + e.write + e.status + e.timeout))
end
`,
  );
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url];
  const { stdout } = await promisify(execFile)('wrk', args);
  const [requestsPerSecond, p50Ms, p99Ms, failures] = /RESULT (.*)/
    .exec(stdout)![1]!
    .split(' ')
    .map(Number) as [number, number, number, number];
  return { generator: 'wrk', requestsPerSecond, p50Ms, p99Ms, failures };
}

async function withAutocannon({ url, connections, seconds, eventBytes }: LoadOptions): Promise<LoadResult> {
  const requests = Array.from({ length: 1000 }, (_, number) => ({
    method: 'POST' as const,
    path: '/events/generate',
    headers: { 'content-type': 'application/json' },
    body: eventOf(`user-${number}`, eventBytes),
  }));
  const result = await autocannon({ url, connections, duration: seconds, requests });
  return {
    generator: 'autocannon',
    requestsPerSecond: result['2xx'] / seconds,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    failures: result.non2xx + result.errors,
  };
}
