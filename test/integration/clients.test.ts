import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import { Analytics } from '@segment/analytics-node';
import { CloudEvent, emitterFor, httpTransport } from 'cloudevents';
import { chromium } from 'playwright-core';
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { buildClient, CLIENT_FILE } from '../../scripts/build-client.ts';
import { createDatabase } from '../../scripts/postgres-server.ts';
import { createKey } from '../../src/api-keys.ts';
import { TcpProxy } from '../faults/tcp-proxy.ts';
import { findChromium } from '../support/chromium.ts';
import { ServiceProcess } from '../support/service-process.ts';

const EVENTS = 10_000;
const MAX_CLIENT_BYTES = 5 * 1024;
const STORED_WITHIN = { timeout: 60_000, interval: 500 };

const PAGE = `<!doctype html><title>A shop</title>
<script type="module">import { Footfall } from '/footfall.js'; Object.assign(globalThis, { Footfall });</script>`;

/** What the tests use of the client, which is loaded as it is built. */
interface BuiltClient {
  Footfall: new (options: {
    url: string;
    key?: string;
    maxQueued?: number;
    batchSize?: number;
    onDropped?: (events: unknown[], reasons: string[]) => void;
  }) => {
    track(userId: string, eventType: string, payload?: object): string;
    flush(): Promise<void>;
    queued: number;
  };
}

const brokers = inject('kafka4');
const browser = findChromium();

async function builtClient(): Promise<BuiltClient> {
  return (await import(pathToFileURL(CLIENT_FILE).href)) as BuiltClient;
}

/** A service on Kafka and PostgreSQL, behind a network that cuts connections and loses answers. */
async function behindFlakyNetwork(env: Record<string, string> = {}) {
  const service = await ServiceProcess.start({
    KAFKA_BROKERS: brokers!,
    KAFKA_TOPIC: `events-${randomUUID()}`,
    KAFKA_CONSUMER_GROUP: `group-${randomUUID()}`,
    KAFKA_CONSUMER_SESSION_TIMEOUT_MS: '6000',
    DATABASE_URL: await createDatabase(inject('postgres')),
    UNKNOWN_EVENT_TYPES: 'accept',
    LOG_EVERY_NTH_EVENT: '0',
    ...env,
  });
  const proxy = await TcpProxy.start(() => Number(new URL(service.url).port));
  let turn = 0;
  const timer = setInterval(() => {
    // Answers are lost for a while; then all connections are cut.
    if (turn++ % 2 === 0) proxy.set('mute');
    else {
      proxy.set('pass');
      proxy.reset();
    }
  }, 400);
  const calm = () => {
    clearInterval(timer);
    proxy.set('pass');
  };
  onTestFinished(async () => {
    calm();
    await proxy.stop();
  });
  return { service, url: `http://127.0.0.1:${proxy.port}`, calm };
}

interface StoredEvent {
  eventId: string;
  userId: string;
  payload: Record<string, never>;
}

/** Waits until so many are stored and reads them, past the flaky network. */
async function untilStored(service: ServiceProcess, count: number): Promise<StoredEvent[]> {
  const read = async () =>
    (await (
      await fetch(`${service.url}/events/processed`, { headers: service.headers })
    ).json()) as StoredEvent[];
  await expect.poll(async () => (await read()).length, STORED_WITHIN).toBeGreaterThanOrEqual(count);
  return read();
}

function expectEachOnce(stored: readonly StoredEvent[], ids: readonly string[]): void {
  expect(stored.map(({ eventId }) => eventId).sort()).toEqual([...ids].sort());
}

beforeAll(buildClient);

describe('the client', () => {
  it('is small, and needs nothing', () => {
    const source = readFileSync(CLIENT_FILE, 'utf8');
    expect(Buffer.byteLength(source)).toBeLessThan(MAX_CLIENT_BYTES);
    expect(source).not.toMatch(/\bimport\b/);
  });

  it('drops what the service refuses, says why, and sends the rest', async () => {
    const service = await ServiceProcess.start();
    const dropped: unknown[] = [];
    const { Footfall } = await builtClient();
    const client = new Footfall({
      url: service.url,
      onDropped: (events, reasons) => dropped.push(events.length, reasons),
    });
    client.track('u', 'LOGIN');
    client.track('', 'LOGIN');
    client.track('u', 'LOGOUT');
    await client.flush();
    expect(client.queued).toBe(0);
    expect(dropped).toEqual([1, ['userId is required and must be a string']]);
    expect(await untilStored(service, 2)).toHaveLength(2);
  });

  it('holds no more than it may', async () => {
    const { Footfall } = await builtClient();
    const dropped: unknown[] = [];
    const onDropped = (events: unknown[], reasons: string[]) => dropped.push(events.length, reasons);
    const client = new Footfall({ url: 'http://127.0.0.1:1', maxQueued: 3, onDropped });
    for (let number = 0; number < 4; number++) client.track('u', 'LOGIN', { number });
    expect([client.queued, dropped]).toEqual([3, [1, ['the queue is full']]]);
  });

  it('obeys Retry-After', async () => {
    const arrivals: number[] = [];
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        arrivals.push(performance.now());
        if (arrivals.length === 1) response.writeHead(503, { 'Retry-After': '1' }).end('{}');
        else response.writeHead(201).end('{"results":[{"index":0,"status":201}]}');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { Footfall } = await builtClient();
    const client = new Footfall({ url: `http://127.0.0.1:${(server.address() as { port: number }).port}` });
    client.track('u', 'LOGIN');
    await client.flush();
    expect(arrivals).toHaveLength(2);
    expect(arrivals[1]! - arrivals[0]!).toBeGreaterThan(990);
  });
});

// Left out only where there is no Java, and said so; with CI=true that is an error instead.
describe.skipIf(brokers === undefined)('through a network that loses answers and cuts connections', () => {
  it(`Footfall's client delivers ${EVENTS} events, each stored once, in order`, async () => {
    const { service, url, calm } = await behindFlakyNetwork();
    const { Footfall } = await builtClient();
    const client = new Footfall({ url, maxQueued: EVENTS });
    const ids = Array.from({ length: EVENTS }, (_, number) => client.track('u', 'clicked', { number }));
    const flushed = client.flush();
    await expect.poll(() => client.queued, STORED_WITHIN).toBeLessThan(EVENTS / 2);
    calm();
    await flushed;
    const stored = await untilStored(service, EVENTS);
    expect(stored.map(({ eventId }) => eventId)).toEqual(ids);
  });

  it(`the CloudEvents SDK delivers ${EVENTS} events, each stored once`, async () => {
    const { service, url } = await behindFlakyNetwork();
    const emit = emitterFor(httpTransport(`${url}/cloudevents`));
    let refused = 0;
    const deliver = async (number: number) => {
      const id = randomUUID();
      const event = new CloudEvent({ id, source: '/test', type: 'clicked', subject: 'u', data: { number } });
      for (;;) {
        // The SDK sends once and leaves trying again to its user.
        const answer = (await emit(event).catch(() => undefined)) as { body?: string } | undefined;
        if (answer?.body?.includes('"success":true')) return id;
        refused++;
      }
    };
    const ids: string[] = [];
    let next = 0;
    await Promise.all(
      Array.from({ length: 30 }, async () => {
        while (next < EVENTS) ids.push(await deliver(next++));
      }),
    );
    expect(refused).toBeGreaterThan(0);
    expectEachOnce(await untilStored(service, EVENTS), ids);
  });

  it(`Segment's library delivers ${EVENTS} events, each stored once`, async () => {
    const { service, url, calm } = await behindFlakyNetwork();
    const analytics = new Analytics({
      ...{ writeKey: 'any', host: url, path: '/v1/batch', flushAt: 100, flushInterval: 100 },
      ...{ maxRetries: 1000, httpRequestTimeout: 2000 },
    });
    const failed: unknown[] = [];
    analytics.on('error', (error) => failed.push(error));
    for (let number = 0; number < EVENTS; number++) {
      analytics.track({ userId: 'u', event: 'clicked', messageId: `m-${number}`, properties: { number } });
    }
    const delivered = analytics.closeAndFlush();
    await expect
      .poll(async () => (await untilStored(service, 1)).length, STORED_WITHIN)
      .toBeGreaterThan(EVENTS / 2);
    calm();
    await delivered;
    expect(failed).toEqual([]);
    const stored = await untilStored(service, EVENTS);
    expect(new Set(stored.map(({ payload }) => payload.messageId)).size).toBe(EVENTS);
    expect(stored).toHaveLength(EVENTS);
  });

  it.runIf(browser)(
    `the client in a web page of another origin, offline and back, delivers ${EVENTS} events, each stored once`,
    async () => {
      const page = createServer((request, response) => {
        const script = request.url === '/footfall.js';
        response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html');
        response.end(script ? readFileSync(CLIENT_FILE) : PAGE);
      }).listen(0, '127.0.0.1');
      await once(page, 'listening');
      onTestFinished(() => void page.close());
      const origin = `http://127.0.0.1:${(page.address() as { port: number }).port}`;
      const writer = createKey({ name: 'shop', scopes: ['write'], origins: [origin] });
      const reader = createKey({ name: 'reader', scopes: ['read'] });
      const API_KEYS = JSON.stringify([writer.entry, reader.entry]);
      const { service, url, calm } = await behindFlakyNetwork({ API_KEYS });
      service.headers = { 'X-API-Key': reader.key };

      const chrome = await chromium.launch({ executablePath: browser!, args: ['--no-sandbox'] });
      onTestFinished(() => chrome.close());
      const context = await chrome.newContext();
      const tab = await context.newPage();
      await tab.goto(origin);
      await tab.waitForFunction(() => 'Footfall' in globalThis);
      const ids = await tab.evaluate(
        ({ url, key, count }) => {
          const { Footfall } = globalThis as unknown as BuiltClient;
          const client = new Footfall({ url, key, maxQueued: count });
          Object.assign(globalThis, { client });
          return Array.from({ length: count - 1 }, (_, number) => client.track('u', 'clicked', { number }));
        },
        { url, key: writer.key, count: EVENTS },
      );
      const queued = () =>
        tab.evaluate(() => (globalThis as unknown as { client: { queued: number } }).client.queued);
      await expect.poll(queued, STORED_WITHIN).toBeLessThan(EVENTS * 0.8);
      await context.setOffline(true);
      // A request that was under way may still be answered; then nothing gets through.
      await tab.evaluate(() => new Promise((done) => setTimeout(done, 500)));
      const offline = await queued();
      await tab.evaluate(() => new Promise((done) => setTimeout(done, 500)));
      expect([await queued(), offline > 0]).toEqual([offline, true]);
      await context.setOffline(false);
      calm();
      await expect.poll(queued, STORED_WITHIN).toBe(0);
      // The last one goes out as the page is left, and nobody waits for an answer.
      ids.push(
        await tab.evaluate(() =>
          (globalThis as unknown as { client: { track(user: string, type: string): string } }).client.track(
            'u',
            'left',
          ),
        ),
      );
      await tab.goto('about:blank');
      expectEachOnce(await untilStored(service, EVENTS), ids);
    },
  );
});
