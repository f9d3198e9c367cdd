import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import autocannon from 'autocannon';

export interface LoadOptions {
  url: string;
  connections: number;
  seconds: number;
  /** For the load generator's own files. */
  folder: string;
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
const EVENT = {
  eventType: 'PRODUCT_VIEW',
  payload: { productId: 'prod-789', category: 'electronics', price: 19.99 },
};

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

async function withWrk({ url, connections, seconds, folder }: LoadOptions): Promise<LoadResult> {
  const script = join(folder, 'post.lua');
  const body = JSON.stringify({ userId: 'USER', ...EVENT }).replaceAll("'", "\\'");
  await writeFile(
    script,
    `local n = 0
request = function()
  n = n + 1
  local body = '${body}'
  return wrk.format('POST', '/events/generate', {['Content-Type'] = 'application/json'}, (body:gsub('USER', 'user-' .. (n % 1000))))
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

async function withAutocannon({ url, connections, seconds }: LoadOptions): Promise<LoadResult> {
  const requests = Array.from({ length: 1000 }, (_, number) => ({
    method: 'POST' as const,
    path: '/events/generate',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ userId: `user-${number}`, ...EVENT }),
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
