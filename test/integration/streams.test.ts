import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { ServiceProcess } from '../support/service-process.ts';
import { openStreams } from '../support/sse.ts';

const READERS = 250;
const STALLED = 250;
const EVENTS = 2000;
const BATCH = 100;
/** What only the stalled ones would get: more than the system keeps for a connection. */
const LARGE = Array.from({ length: 160 }, () => ({
  userId: 'large',
  eventType: 'LOGIN',
  payload: { text: 'x'.repeat(60_000) },
}));
/** What the stalled ones were sent and did not take would be 2.4 GB. */
const MOST_MEMORY = 500_000_000;

/** Notes the numbers of the events it gets; begins anew behind the last one whenever it is cut or told to. */
class Reader {
  readonly #url: string;
  readonly numbers: number[] = [];
  #lastId = '0';
  #request: ClientRequest | undefined;
  #isClosed = false;

  constructor(url: string) {
    this.#url = url;
    this.#connect();
  }

  cut(): void {
    this.#request!.destroy();
    this.#connect();
  }

  close(): void {
    this.#isClosed = true;
    this.#request!.destroy();
  }

  #connect(): void {
    const request = get(`${this.#url}/events/stream?payload.kind=small`, {
      agent: false,
      headers: { 'Last-Event-ID': this.#lastId },
    });
    this.#request = request;
    // The service cuts who takes nothing for a while, as this process does while the machine has no time for it.
    request.on('close', () => request === this.#request && !this.#isClosed && this.#connect());
    request.on('error', () => {});
    request.on('response', (response) => {
      let rest = '';
      response.setEncoding('utf8');
      response.on('error', () => {});
      response.on('data', (chunk: string) => {
        if (request !== this.#request) return;
        const frames = (rest + chunk).split('\n\n');
        rest = frames.pop()!;
        for (const frame of frames) this.#take(frame);
      });
    });
  }

  #take(frame: string): void {
    this.#lastId = /^id: (.*)$/m.exec(frame)?.[1] ?? this.#lastId;
    const number = /"number":(\d+)/.exec(frame)?.[1];
    if (number !== undefined) this.numbers.push(Number(number));
  }
}

/** Reads nothing after the head of its answer. */
function stall(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(`${url}/events/stream?after=0`, { agent: false }, (response: IncomingMessage) => {
      response.pause();
      resolve();
    }).on('error', reject);
  });
}

async function send(url: string, events: object[]): Promise<void> {
  const response = await fetch(`${url}/events/batch`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(events),
  });
  expect(response.status).toBe(201);
}

it('serves 500 readers of which half take nothing: those are cut, the others miss nothing and get nothing twice', async () => {
  const service = await ServiceProcess.start({ STREAM_TIMEOUT_MS: '4000', LOG_EVERY_NTH_EVENT: '0' });
  const readers = Array.from({ length: READERS }, () => new Reader(service.url));
  await Promise.all(Array.from({ length: STALLED }, () => stall(service.url)));
  const before = service.memory().now;
  for (let number = 0; number < EVENTS; number += BATCH) {
    const events = Array.from({ length: BATCH }, (_, at) => ({
      userId: `u${at}`,
      eventType: 'LOGIN',
      payload: { number: number + at, kind: 'small' },
    }));
    await send(service.url, [...events, ...LARGE.slice((number / BATCH) * 8, (number / BATCH + 1) * 8)]);
    for (const reader of readers.slice(0, READERS / 5)) if (Math.random() < 0.3) reader.cut();
  }
  await expect.poll(() => readers.filter(({ numbers }) => numbers.length < EVENTS).length).toBe(0);
  const all = Array.from({ length: EVENTS }, (_, number) => number);
  for (const { numbers } of readers) expect(numbers).toEqual(all);
  await expect.poll(() => openStreams(service.url)).toBe(READERS);
  expect(service.memory().most - before).toBeLessThan(MOST_MEMORY);
  for (const reader of readers) reader.close();
});
