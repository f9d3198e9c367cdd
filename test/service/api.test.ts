import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../src/clock.ts';
import { appendIn } from '../support/embedded-log.ts';
import { replacing } from '../support/replacing.ts';
import { post, processed, serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const EVENT = {
  userId: 'user-123',
  eventType: 'LOGIN',
  payload: { ipAddress: '192.168.1.1', device: 'iPhone' },
};

/** What a bare socket gets back for bytes that no HTTP client would send. */
async function raw(url: string, request: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(request);
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk));
  await once(socket, 'close');
  return answer;
}

describe('POST /events/generate', () => {
  it('answers 201 with the event, to the byte', async () => {
    const ids = ['f47ac10b-58cc-4372-a567-0e02b2c3d479'];
    const clock = { ...systemClock, date: () => new Date('2024-02-14T10:30:00.000Z') };
    const { url } = await serviceHere({}, { clock, newId: () => ids.shift()! });
    const response = await post(url, EVENT);
    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe(JSON_TYPE);
    expect(await response.text()).toBe(
      '{"success":true,"event":{"eventId":"f47ac10b-58cc-4372-a567-0e02b2c3d479","userId":"user-123","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00.000Z","payload":{"ipAddress":"192.168.1.1","device":"iPhone"}}}',
    );
  });

  it('says in headers where the event is in the log', async () => {
    const { url } = await serviceHere();
    await post(url, EVENT);
    const { headers } = await post(url, EVENT);
    expect([headers.get('event-topic'), headers.get('event-partition'), headers.get('event-offset')]).toEqual(
      ['user-activity-events', '0', '1'],
    );
  });

  it('gives each event an id of its own and the time it was accepted', async () => {
    const { url } = await serviceHere();
    const before = Date.now();
    const answers = await Promise.all([1, 2, 3].map(async () => (await post(url, EVENT)).json()));
    const events = answers.map(
      (answer) => (answer as { event: { eventId: string; timestamp: string } }).event,
    );
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(3);
    const times = events.map(({ timestamp }) => Date.parse(timestamp));
    expect(Math.min(...times)).toBeGreaterThanOrEqual(before);
    expect(Math.max(...times)).toBeLessThanOrEqual(Date.now());
  });

  it('answers 400 with both messages, to the byte', async () => {
    const { url } = await serviceHere();
    const response = await post(url, {});
    expect([response.status, response.headers.get('content-type')]).toEqual([400, JSON_TYPE]);
    expect(await response.text()).toBe(
      '{"success":false,"errors":["userId is required and must be a string","eventType is required and must be one of: LOGIN, LOGOUT, PRODUCT_VIEW"]}',
    );
  });

  it.each([
    ['nothing', '', {}, 400, 'body_missing'],
    ['what is not JSON', '{"userId":', {}, 400, 'body_not_json'],
    ['an array', '[]', {}, 400, 'body_not_object'],
    [
      'a form',
      'userId=u',
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      415,
      'unsupported_media_type',
    ],
    ['text', '{}', { 'Content-Type': 'text/plain' }, 415, 'unsupported_media_type'],
    ['more than is allowed', `{"x":"${'x'.repeat(1_000_001)}"}`, {}, 413, 'body_too_large'],
  ])('refuses %s clearly', async (_what, body, headers, status, code) => {
    const { url } = await serviceHere();
    const response = await post(url, body, headers);
    const answer = (await response.json()) as { success: boolean; error: string };
    expect([
      response.status,
      response.headers.get('error-code'),
      response.headers.get('error-retryable'),
    ]).toEqual([status, code, 'false']);
    expect(answer).toEqual({ success: false, error: expect.any(String) });
  });

  it('refuses a body without length once it is too large', async () => {
    const { url } = await serviceHere({ MAX_BODY_BYTES: '2000' });
    const chunk = new TextEncoder().encode('x'.repeat(1000));
    const body = new ReadableStream({ pull: (controller) => controller.enqueue(chunk) });
    const response = await fetch(`${url}/events/generate`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
      duplex: 'half',
    } as RequestInit);
    expect(response.status).toBe(413);
  });

  it('refuses a request without body and without content type', async () => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}/events/generate`, { method: 'POST' });
    expect([response.status, await response.json()]).toEqual([
      400,
      { success: false, error: 'Request body is required: send a JSON object with userId and eventType' },
    ]);
  });
});

describe('GET /events/processed', () => {
  it('is an empty array at first', async () => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}/events/processed`);
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      200,
      JSON_TYPE,
      '[]',
    ]);
  });

  it('returns the events oldest first, byte for byte as they were answered', async () => {
    const { url } = await serviceHere();
    const payloads = ['{"n": 9007199254740993}', '{"z":1e400,"a":-0}', '{"t":"\\u0000\\ud800😀"}', '{}'];
    const accepted: string[] = [];
    for (const payload of payloads) {
      const answer = await (
        await post(url, `{"userId":"u","eventType":"LOGOUT","payload":${payload}}`)
      ).text();
      accepted.push(answer.slice('{"success":true,"event":'.length, -1));
    }
    await expect.poll(async () => (await processed(url)).length).toBe(payloads.length);
    expect(await (await fetch(`${url}/events/processed`)).text()).toBe(`[${accepted.join(',')}]`);
  });

  it('returns more than one page as one array', async () => {
    const folder = await tempFolder();
    const ids = Array.from({ length: 2300 }, () => randomUUID());
    const values = ids.map((eventId) =>
      JSON.stringify({ eventId, userId: 'u', eventType: 'LOGIN', timestamp: '2024-02-14T10:30:00Z' }),
    );
    await appendIn(folder, values);
    const { url } = await serviceHere({ DATA_DIR: folder });
    await expect.poll(async () => (await processed(url)).map(({ eventId }) => eventId)).toEqual(ids);
  });
});

describe('operations', () => {
  it('is healthy, in exactly three fields', async () => {
    const { url } = await serviceHere();
    await expect.poll(async () => (await fetch(`${url}/health`)).status).toBe(200);
    const response = await fetch(`${url}/health`);
    expect(await response.text()).toBe('{"status":"healthy","producer":"connected","consumer":"connected"}');
  });

  it('is alive, and ready with each dependency named', async () => {
    const { url } = await serviceHere();
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    const works = { ok: true };
    await expect
      .poll(async () => (await fetch(`${url}/readyz`)).json())
      .toEqual({ status: 'ready', log: works, store: works, consumer: works });
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  it('counts what it did', async () => {
    const { url } = await serviceHere();
    await post(url, EVENT);
    await post(url, {});
    const metrics = async () => (await fetch(`${url}/metrics`)).text();
    await expect.poll(metrics).toContain('footfall_consumer_lag_records{partition="0"} 0');
    await expect.poll(metrics).toContain('footfall_events_processed_total{outcome="stored"} 1');
    expect(await metrics()).toContain('footfall_events_generated_total 1');
    expect(await metrics()).toContain('footfall_events_rejected_total{code="invalid_event"} 1');
  });
});

describe('when too much is asked at once', () => {
  it('turns requests away with the time to wait, before it reads them, and goes on when there is room', async () => {
    const { url } = await serviceHere({ MAX_IN_FLIGHT_REQUESTS: '2' });
    const port = Number(new URL(url).port);
    const head =
      'POST /events/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n';
    const holding = [1, 2].map(() => connect(port, '127.0.0.1'));
    for (const socket of holding) socket.write(`${head}{`);
    const metrics = async () => (await fetch(`${url}/metrics`)).text();
    await expect.poll(metrics).toContain('footfall_requests_in_flight 2');
    expect(await metrics()).toContain('footfall_requests_in_flight_bytes 100');

    const refused = await post(url, EVENT);
    expect([
      refused.status,
      refused.headers.get('error-code'),
      refused.headers.get('error-retryable'),
    ]).toEqual([503, 'overloaded', 'true']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    // What reads has a budget of its own.
    expect((await fetch(`${url}/events/processed`)).status).toBe(200);
    await expect.poll(async () => (await fetch(`${url}/health`)).status).toBe(200);
    expect(await metrics()).toContain('footfall_overload_rejections_total 1');

    for (const socket of holding) socket.destroy();
    await expect.poll(metrics).toContain('footfall_requests_in_flight 0');
    expect((await post(url, EVENT)).status).toBe(201);
  });

  it('bounds the bytes, too, and counts a body of unknown length as it arrives', async () => {
    const { url } = await serviceHere({ MAX_IN_FLIGHT_BYTES: '1000000', MAX_BODY_BYTES: '900000' });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      `POST /events/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${(800_000).toString(16)}\r\n${'x'.repeat(800_000)}\r\n`,
    );
    const metrics = async () => (await fetch(`${url}/metrics`)).text();
    await expect.poll(metrics).toContain('footfall_requests_in_flight_bytes 800000');
    const large = { ...EVENT, payload: { text: 'x'.repeat(300_000) } };
    expect((await post(url, large)).status).toBe(503);
    expect((await post(url, EVENT)).status).toBe(201);
    socket.destroy();
  });
});

describe('while it stops', () => {
  const body = JSON.stringify(EVENT);
  const REQUEST = `POST /events/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

  it('goes on answering until load balancers have had time to notice', async () => {
    const over = Promise.withResolvers<void>();
    const delayMs = 12_345;
    // Only the wait of a stop ends when this test says so.
    const clock: Clock = replacing(
      systemClock,
      'sleep',
      (real) => (ms, signal) => (ms === delayMs ? over.promise : real(ms, signal)),
    );
    const { url, stop } = await serviceHere({ SHUTDOWN_DELAY_MS: String(delayMs) }, { clock });
    // Before the service is stopped at the end: a test that fails must end, too.
    onTestFinished(() => over.resolve());
    const before = await fetch(`${url}/readyz`);
    expect([before.status, before.headers.get('connection')]).toEqual([200, 'keep-alive']);
    const stopped = stop();
    const readiness = await fetch(`${url}/readyz`);
    expect([readiness.status, await readiness.json()]).toMatchObject([503, { status: 'stopping' }]);
    const answer = await post(url, EVENT);
    expect([answer.status, answer.headers.get('connection')]).toEqual([201, 'close']);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    over.resolve();
    await stopped;
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
  });

  it.each([
    ['its headers', 10],
    ['its body', REQUEST.length - 10],
  ])(
    'answers a request of which it has half of %s, and says that the connection ends',
    async (_part, half) => {
      const { url, stop } = await serviceHere();
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk));
      socket.write(REQUEST.slice(0, half));
      // The service has the first part once it answers a later request.
      await fetch(`${url}/livez`);
      const stopped = stop();
      socket.write(REQUEST.slice(half));
      await Promise.all([stopped, once(socket, 'close')]);
      expect(answer).toMatch(/^HTTP\/1.1 201 [\s\S]*\r\nconnection: close\r\n/i);
    },
  );
});

describe('anything else', () => {
  it('does not know other paths, to the byte', async () => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}/nothing?here=1`, { method: 'DELETE' });
    expect([response.status, await response.text()]).toEqual([
      404,
      '{"success":false,"error":"Endpoint not found"}',
    ]);
  });

  it.each([
    ['/events/generate', 'GET', 'POST'],
    ['/events/processed', 'POST', 'GET, HEAD'],
    ['/health', 'DELETE', 'GET, HEAD'],
    ['/dead-letters/7', 'DELETE', 'GET, HEAD'],
  ])('answers a wrong method on %s with 405 and what is allowed', async (path, method, allow) => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}${path}?x=1`, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
    expect(await response.json()).toMatchObject({ success: false });
  });

  it('answers TRACE like any other wrong method', async () => {
    const { url } = await serviceHere();
    const answer = await raw(url, 'TRACE /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 405 /);
  });

  it.each([
    ['what is not HTTP', 'hello\r\n\r\n', 400],
    [
      'a URL that cannot be decoded',
      'GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['headers without end', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ])('answers %s in the form of every error', async (_what, request, status) => {
    const { url } = await serviceHere();
    const answer = await raw(url, request);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(/\{"success":false,"error":"[^"]+"\}$/);
  });
});
