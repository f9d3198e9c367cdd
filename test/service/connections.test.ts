import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { serviceHere } from '../support/service.ts';

const EVENT = '{"userId":"u","eventType":"LOGIN"}';
const LARGE = 12_000_000;

/** A client that sends all it has before it looks at the answer, as many libraries do. */
async function sendAll(url: string, head: string, body: string | Buffer): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').pause();
  await new Promise<void>((sent, failed) => {
    socket.once('error', failed);
    socket.write(`${head}\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`);
    socket.write(body, () => sent());
  });
  return untilClosed(socket);
}

/** Everything a socket says until it is closed; rejects when it is reset. */
async function untilClosed(socket: Socket): Promise<string> {
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk;
  });
  socket.resume();
  await once(socket, 'end');
  socket.end();
  return said;
}

/** Sends as it is, and resolves with the first answer that is not 100. */
async function ask(socket: Socket, request: string): Promise<{ before: string; answer: string }> {
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk;
  });
  socket.write(request);
  await expect.poll(() => said).toMatch(/HTTP\/1\.1 [2-5]\d\d /);
  const at = said.search(/HTTP\/1\.1 [2-5]\d\d /);
  socket.removeAllListeners('data');
  return { before: said.slice(0, at), answer: said.slice(at) };
}

function toService(url: string): Socket {
  return connect(Number(new URL(url).port), '127.0.0.1');
}

describe('an answer that comes before the body', () => {
  const lines = Array.from(
    { length: LARGE / 1000 },
    () => `${EVENT}${' '.repeat(1000 - EVENT.length - 1)}\n`,
  ).join('');

  it.each<[string, string, string | Buffer, number]>([
    [
      'an event that is too large',
      'POST /events/generate HTTP/1.1\r\nContent-Type: application/json',
      'x'.repeat(LARGE),
      413,
    ],
    [
      'a batch that is not read on',
      'POST /events/batch HTTP/1.1\r\nContent-Type: application/x-ndjson',
      lines,
      207,
    ],
    [
      'a batch that is no list',
      'POST /events/batch HTTP/1.1\r\nContent-Type: application/json',
      `{"a":"${'x'.repeat(LARGE)}"}`,
      400,
    ],
    [
      'a type that is not taken',
      'POST /events/generate HTTP/1.1\r\nContent-Type: text/csv',
      'x'.repeat(LARGE),
      415,
    ],
    [
      'a path that is not there',
      'POST /nothing HTTP/1.1\r\nContent-Type: application/json',
      'x'.repeat(LARGE),
      404,
    ],
    ...['/v1/track', '/v1/batch', '/cloudevents'].map((path): [string, string, string, number] => [
      `what is too large for ${path}`,
      `POST ${path} HTTP/1.1\r\nContent-Type: application/json`,
      'x'.repeat(LARGE),
      413,
    ]),
    [
      'what is too large although it is compressed',
      'POST /events/generate HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: gzip',
      'x'.repeat(LARGE),
      413,
    ],
    [
      'what is no gzip',
      'POST /events/batch HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: gzip',
      'x'.repeat(LARGE),
      400,
    ],
  ])('gets to a client that sends all of it first: %s', async (_what, head, body, status) => {
    const { url } = await serviceHere({ MAX_BATCH_EVENTS: '100' });
    const answer = await sendAll(url, head, body);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(answer).toMatch(/\}$|\}\r\n0\r\n\r\n$/);
  });

  it('gets to one behind others that are refused and send nothing more', async () => {
    const { url } = await serviceHere();
    for (let other = 0; other < 8; other++) {
      const socket = toService(url);
      const request = 'POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n';
      expect((await ask(socket, request)).answer).toMatch(/^HTTP\/1.1 404 /);
    }
    const head = 'POST /nothing HTTP/1.1\r\nContent-Type: application/json';
    expect(await sendAll(url, head, 'x'.repeat(LARGE))).toMatch(/^HTTP\/1.1 404 /);
  });

  it('gets to one whose compressed batch is not read on', async () => {
    const { url } = await serviceHere({ MAX_BATCH_EVENTS: '100' });
    const noise = Array.from(
      { length: 30_000 },
      (_, at) => `{"userId":"${Math.sin(at)}${Math.cos(at)}","eventType":"LOGIN"}`,
    );
    const head = 'POST /events/batch HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: gzip';
    expect(await sendAll(url, head, gzipSync(`[${noise.join()}]`))).toMatch(/^HTTP\/1.1 207 /);
  });

  it('leaves the connection open where little is left of the body', async () => {
    const { url } = await serviceHere({ MAX_BATCH_EVENTS: '1' });
    const socket = toService(url);
    const body = `{"a":"${'x'.repeat(90_000)}"}`;
    const head = `POST /events/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    expect((await ask(socket, head + body)).answer).toMatch(/^HTTP\/1.1 400 /);
    expect((await ask(socket, 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')).answer).toMatch(
      /^HTTP\/1.1 200 /,
    );
    socket.destroy();
  });
});

describe('a client that asks whether to send its body', () => {
  const expecting = (path: string, length: number, more = '') =>
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${more}Content-Type: application/json\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`;

  it('is told so when it is wanted', async () => {
    const { url } = await serviceHere();
    const socket = toService(url);
    socket.write(expecting('/events/generate', EVENT.length));
    const [first] = await once(socket, 'data');
    expect(String(first)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    expect((await ask(socket, EVENT)).answer).toMatch(/^HTTP\/1.1 201 /);
    socket.destroy();
  });

  it.each([
    ['/events/generate', 2_000_000_000, '', 401],
    ['/nothing', 100, '', 404],
    ['/events/generate', 2_000_000_000, 'X-API-Key: KEY\r\n', 413],
    ['/events/generate', 100, 'X-API-Key: KEY\r\nContent-Encoding: lz4\r\n', 415],
  ])('is not told so before it is refused: %s of %i bytes %s', async (path, length, more, status) => {
    const { key, entry } = createKey({ name: 'k', scopes: ['write'] });
    const { url } = await serviceHere({ API_KEYS: JSON.stringify([entry]) });
    const socket = toService(url);
    const { before, answer } = await ask(socket, expecting(path, length, more.replace('KEY', key)));
    expect([before, answer.slice(9, 12)]).toEqual(['', String(status)]);
    socket.destroy();
  });
});

it('an expectation that cannot be met is answered as every other error, and the service goes on', async () => {
  const { url } = await serviceHere();
  for (const path of ['/events/generate', '/events/batch', '/livez', '/nothing']) {
    const socket = toService(url);
    const request = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nExpect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}`;
    const { answer } = await ask(socket, request);
    expect(answer).toMatch(/^HTTP\/1.1 417 /);
    expect(answer).toMatch(/\r\nerror-code: expectation_failed\r\n/i);
    expect(answer).toMatch(/\r\n\r\n\{"success":false,"error":"[^"]/);
    expect((await ask(socket, 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')).answer).toMatch(
      /^HTTP\/1.1 200 /,
    );
    socket.destroy();
  }
});

describe('a request that can be read in two ways', () => {
  it.each([
    ['two hosts', 'Host: localhost\r\nHost: y\r\nContent-Length: 34\r\n', EVENT],
    ['no host', 'Content-Length: 34\r\n', EVENT],
    [
      'a coding that is not undone',
      'Host: localhost\r\nTransfer-Encoding: gzip, chunked\r\n',
      `22\r\n${EVENT}\r\n0\r\n\r\n`,
    ],
  ])('is refused, and the connection closed: %s', async (_what, headers, body) => {
    const { url } = await serviceHere();
    const socket = toService(url);
    socket.write(`POST /events/generate HTTP/1.1\r\nContent-Type: application/json\r\n${headers}\r\n${body}`);
    const answer = await untilClosed(socket);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toMatch(/\r\nerror-code: bad_request\r\n/i);
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it.each([
    ['http://localhost', 200],
    ['http://evil.example', 400],
    ['http://localhost:80', 400],
  ])('as whole address names the same host as its header: %s', async (origin, status) => {
    const { url } = await serviceHere();
    const socket = toService(url);
    const { answer } = await ask(
      socket,
      `GET ${origin}/events/processed HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    );
    expect(answer.slice(9, 12)).toBe(String(status));
    socket.destroy();
  });

  it('has no host in HTTP/1.0', async () => {
    const { url } = await serviceHere();
    const socket = toService(url);
    expect((await ask(socket, 'GET /events/processed HTTP/1.0\r\n\r\n')).answer).toMatch(/^HTTP\/1.1 200 /);
    socket.destroy();
  });
});

describe('a request for a tunnel', () => {
  it('is refused as every other error, and the connection closed', async () => {
    const { url } = await serviceHere();
    const socket = toService(url);
    socket.write('CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const answer = await untilClosed(socket);
    expect(answer).toMatch(/^HTTP\/1.1 405 /);
    expect(answer).toMatch(/\r\nError-Code: method_not_allowed\r\n/);
    expect(answer).toMatch(/\r\n\r\n\{"success":false,"error":"[^"]/);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });
});
