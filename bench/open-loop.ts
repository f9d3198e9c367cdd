// Sends so many requests a second, whether or not those before are answered, as many independent users do. In a process of its
// own. Over HTTP, it is told when to begin to count, and to stop: then it answers with what it saw, as JSON.
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { ERRORS } from '../src/errors.ts';
import { serve } from './bare.ts';

/** Of so many requests, one reads. */
const READ_EVERY = 10;
const CONNECTIONS = 256;
const TICK_MS = 2;
const ANSWER_MS = 30_000;
const OVERLOADED = ERRORS.overloaded.message;
const SHOWN_FAILURES = 10;
const SHOWN_CHARACTERS = 100;

export interface Seen {
  seconds: number;
  /** Answered as they should be. */
  answered: number;
  /** Events that were acknowledged, and those that were not, since the start of the process. */
  acknowledged: number;
  unacknowledged: number;
  /** With 503, since more is in progress than the service takes on: the machine is too slow for the rate. */
  overloaded: number;
  /** In any other way. */
  failed: number;
  /** The first of them, in words. */
  failures: string[];
  /** From when it was to be sent. */
  p50Ms: number;
  p99Ms: number;
  mostMs: number;
  /** The longest time in which nothing was answered. */
  gapMs: number;
}

const [url, rate] = process.argv.slice(2) as [string, string];
const everyMs = 1000 / Number(rate);
// What has no connection waits for one, as in a pool: a stall is then seen as latency, and not as a queue of connections that
// overflows somewhere.
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const body = JSON.stringify({
  userId: 'user-1',
  eventType: 'PRODUCT_VIEW',
  payload: { productId: 'prod-789' },
});

const startedAt = performance.now();
let sent = 0;
let acknowledged = 0;
let unacknowledged = 0;
let whenAllAnswered = () => {};
/** Since it was told to begin. */
let counted = startCounting();

function startCounting() {
  const now = performance.now();
  return {
    since: now,
    waiting: 0,
    latencies: [] as number[],
    overloaded: 0,
    failed: 0,
    failures: [] as string[],
    gapMs: 0,
    answeredAt: now,
  };
}

function send(number: number): void {
  const isRead = number % READ_EVERY === 0;
  const dueAt = startedAt + number * everyMs;
  // What is answered later still belongs to the time in which it was sent.
  const own = counted;
  own.waiting++;
  const done = () => {
    own.waiting--;
    if (own.waiting === 0) whenAllAnswered();
  };
  const turnAway = () => {
    own.overloaded++;
    if (!isRead) unacknowledged++;
    done();
  };
  const fail = (why: string) => {
    own.failed++;
    if (!isRead) unacknowledged++;
    const atS = ((performance.now() - own.since) / 1000).toFixed(1);
    if (own.failures.length < SHOWN_FAILURES)
      own.failures.push(`${isRead ? 'GET' : 'POST'} after ${atS} s: ${why}`);
    done();
  };
  let hasAnswer = false;
  const call = request(
    isRead ? `${url}/events/processed?order=desc&limit=5` : `${url}/events/generate`,
    {
      agent,
      method: isRead ? 'GET' : 'POST',
      timeout: ANSWER_MS,
      headers: isRead ? {} : { 'Content-Type': 'application/json', 'Content-Length': body.length },
    },
    async (response) => {
      hasAnswer = true;
      const answer = await text(response).catch((error: Error) => error);
      if (answer instanceof Error) return fail(answer.message);
      if (answer.includes(OVERLOADED)) return turnAway();
      if (response.statusCode !== (isRead ? 200 : 201))
        return fail(`status ${response.statusCode} ${answer.slice(0, SHOWN_CHARACTERS)}`);
      const now = performance.now();
      own.latencies.push(now - dueAt);
      own.gapMs = Math.max(own.gapMs, now - own.answeredAt);
      own.answeredAt = now;
      if (!isRead) acknowledged++;
      done();
    },
  );
  call.once('timeout', () => call.destroy(new Error('no answer')));
  let hasFailed = false;
  call.on('error', (error) => {
    // With an answer that has begun, that says so.
    if (!hasFailed && !hasAnswer) fail(error.message);
    hasFailed = true;
  });
  call.end(isRead ? undefined : body);
}

const ticking = setInterval(() => {
  for (const due = (performance.now() - startedAt) / everyMs; sent < due; ) send(sent++);
}, TICK_MS);

serve(async (asked, response) => {
  if (asked.url === '/begin') {
    counted = startCounting();
    return void response.end();
  }
  clearInterval(ticking);
  const own = counted;
  const seconds = (performance.now() - own.since) / 1000;
  await new Promise<void>((resolve) => {
    whenAllAnswered = resolve;
    if (own.waiting === 0) resolve();
  });
  agent.destroy();
  const sorted = own.latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const { overloaded, failed, failures, gapMs } = own;
  const times = { p50Ms: at(0.5), p99Ms: at(0.99), mostMs: at(1), gapMs };
  const counts = { answered: sorted.length, acknowledged, unacknowledged, overloaded, failed, failures };
  const seen: Seen = { seconds, ...counts, ...times };
  response.end(JSON.stringify(seen));
});
