// Sends so many requests a second, whether or not those before are answered, as many independent users do. In a process of its
// own. Asked over HTTP, it stops and answers with what it saw, as JSON.
import { Agent, request } from 'node:http';
import { serve } from './bare.ts';

/** Of so many requests, one reads. */
const READ_EVERY = 5;
const TICK_MS = 2;
const ANSWER_MS = 30_000;
const SHOWN_FAILURES = 10;

export interface Seen {
  seconds: number;
  /** Answered as they should be. */
  answered: number;
  /** Of these, events. */
  posted: number;
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
const agent = new Agent({ keepAlive: true });
const body = JSON.stringify({
  userId: 'user-1',
  eventType: 'PRODUCT_VIEW',
  payload: { productId: 'prod-789' },
});

const startedAt = performance.now();
const latencies: number[] = [];
const failures: string[] = [];
let sent = 0;
let posted = 0;
let failed = 0;
let gapMs = 0;
let answeredAt = startedAt;
let whenAllAnswered = () => {};

function send(number: number): void {
  const isRead = number % READ_EVERY === 0;
  const dueAt = startedAt + number * everyMs;
  const fail = (why: string) => {
    failed++;
    const atS = ((performance.now() - startedAt) / 1000).toFixed(1);
    if (failures.length < SHOWN_FAILURES) failures.push(`${isRead ? 'GET' : 'POST'} after ${atS} s: ${why}`);
    whenAllAnswered();
  };
  const call = request(
    isRead ? `${url}/events/processed?order=desc&limit=5` : `${url}/events/generate`,
    {
      agent,
      method: isRead ? 'GET' : 'POST',
      timeout: ANSWER_MS,
      headers: isRead ? {} : { 'Content-Type': 'application/json', 'Content-Length': body.length },
    },
    (response) => {
      response.resume();
      response.once('error', (error) => fail(error.message));
      response.once('end', () => {
        if (response.statusCode !== (isRead ? 200 : 201)) return fail(`status ${response.statusCode}`);
        const now = performance.now();
        latencies.push(now - dueAt);
        gapMs = Math.max(gapMs, now - answeredAt);
        answeredAt = now;
        if (!isRead) posted++;
        whenAllAnswered();
      });
    },
  );
  call.once('timeout', () => call.destroy(new Error('no answer')));
  call.once('error', (error) => fail(error.message));
  call.end(isRead ? undefined : body);
}

const ticking = setInterval(() => {
  for (const due = (performance.now() - startedAt) / everyMs; sent < due; ) send(sent++);
}, TICK_MS);

serve(async (_request, response) => {
  clearInterval(ticking);
  const seconds = (performance.now() - startedAt) / 1000;
  await new Promise<void>((resolve) => {
    whenAllAnswered = () => {
      if (latencies.length + failed >= sent) resolve();
    };
    whenAllAnswered();
  });
  agent.destroy();
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const seen: Seen = {
    seconds,
    answered: sorted.length,
    posted,
    failed,
    failures,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    mostMs: at(1),
    gapMs,
  };
  response.end(JSON.stringify(seen));
});
