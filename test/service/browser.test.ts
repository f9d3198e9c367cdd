import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { serviceHere } from '../support/service.ts';

const EVENT = JSON.stringify({ userId: 'u', eventType: 'LOGIN' });

/** `fetch` sets these headers itself. */
function call(url: string, headers: Record<string, string>, method = 'GET') {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    code: string | undefined;
    headers: Record<string, unknown>;
  }>();
  const sent = request(
    url,
    { method, headers: { 'Content-Type': 'application/json', ...headers } },
    (answer) => {
      const { statusCode, headers: received } = answer;
      answer.resume().on('end', () => {
        resolve({
          status: statusCode!,
          code: received['error-code'] as string | undefined,
          headers: received,
        });
      });
    },
  );
  sent.on('error', reject).end(method === 'POST' ? EVENT : undefined);
  return promise;
}

const withKey = () => {
  const { key, entry } = createKey({ name: 'all', scopes: ['admin'] });
  return { key, API_KEYS: JSON.stringify([entry]) };
};

describe('the name a service without keys is called by', () => {
  it.each([
    ['localhost', 200],
    ['localhost:3000', 200],
    ['LOCALHOST.:3000', 200],
    ['footfall.localhost:3000', 200],
    ['127.0.0.1:3000', 200],
    ['127.8.9.10', 200],
    ['[::1]:3000', 200],
    ['app-service:3000', 200],
    ['Footfall.LAN', 200],
    ['192.168.1.20:3000', 200],
    ['[fd00::1]:3000', 200],
    ['evil.example', 403],
    ['evil.example:3000', 403],
    ['localhost.evil.example', 403],
    ['127.0.0.1.evil.example', 403],
    ['evillocalhost', 403],
    ['192.168.1.21', 403],
    ['[fd00::2]', 403],
    ['0.0.0.0:3000', 403],
    ['evil.example:1:localhost', 403],
    ['localhost:3000@evil.example', 403],
  ])('%s gets %i', async (Host, status) => {
    const { url } = await serviceHere({
      ALLOWED_HOSTS: 'app-service, footfall.lan:3000,192.168.1.20,[fd00::1]',
    });
    const read = await call(`${url}/events/processed`, { Host });
    expect([read.status, read.code]).toEqual([status, status === 200 ? undefined : 'host_not_allowed']);
    const written = await call(`${url}/events/generate`, { Host, Origin: `http://${Host}` }, 'POST');
    expect(written.status).toBe(status === 200 ? 201 : 403);
  });

  it('does not matter to probes, nor where keys are needed', async () => {
    const Host = 'evil.example';
    const open = await serviceHere();
    expect((await call(`${open.url}/livez`, { Host })).status).toBe(200);
    const { key, API_KEYS } = withKey();
    const guarded = await serviceHere({ API_KEYS });
    expect((await call(`${guarded.url}/events/processed`, { Host, 'X-API-Key': key })).status).toBe(200);
  });
});

describe('what the browser says of the page that calls', () => {
  const SHOP = 'https://shop.example';

  it.each([
    ['an image, script or link of another site', { 'Sec-Fetch-Site': 'cross-site' }, 403],
    ['another site, by script', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }, 403],
    ['another site whose origin is listed', { 'Sec-Fetch-Site': 'cross-site', Origin: SHOP }, 200],
    ['an address typed by a person', { 'Sec-Fetch-Site': 'none' }, 200],
    ['our own page', { 'Sec-Fetch-Site': 'same-origin' }, 200],
    ['a page that may be nobody', { Origin: 'null' }, 403],
  ])('%s', async (_what, headers, status) => {
    const open = await serviceHere({ CORS_ORIGINS: SHOP });
    expect((await call(`${open.url}/events/processed`, headers as Record<string, string>)).status).toBe(
      status,
    );
  });

  it('lets our own page send through a proxy that changes Host', async () => {
    const { url } = await serviceHere();
    const headers = { Origin: 'https://footfall.example', 'Sec-Fetch-Site': 'same-origin' };
    expect((await call(`${url}/events/generate`, headers, 'POST')).status).toBe(201);
  });
});

describe('answers', () => {
  it('are kept by no cache, guessed by no browser, and say what they depend on', async () => {
    const { key, API_KEYS } = withKey();
    const { url } = await serviceHere({ API_KEYS });
    const headersOf = async (path: string, headers: Record<string, string>) =>
      (await call(`${url}${path}`, headers)).headers;
    const list = await headersOf('/events/processed', { 'X-API-Key': key });
    expect(list).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    });
    const vary = String(list.vary).toLowerCase().split(/,\s*/).sort();
    expect([...new Set(vary)]).toEqual(vary);
    expect(vary).toEqual(expect.arrayContaining(['accept', 'authorization', 'origin', 'x-api-key']));
    const refused = await headersOf('/events/stats', {});
    expect(refused).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    expect(await headersOf('/nowhere', {})).toMatchObject({ 'x-content-type-options': 'nosniff' });
    expect(await headersOf('/livez', {})).toMatchObject({ 'cache-control': 'no-store' });
  });

  it('say so also where the request cannot be read', async () => {
    const { url } = await serviceHere();
    const { hostname, port } = new URL(url);
    const kept = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
    const unreadable = await call(`${url}/events/%zz`, {});
    expect([unreadable.status, unreadable.headers]).toMatchObject([400, kept]);
    const socket = connect(Number(port), hostname).end('this is not HTTP\r\n\r\n');
    const answer = await text(socket);
    expect(answer).toContain('HTTP/1.1 400');
    for (const [name, value] of Object.entries(kept))
      expect(answer.toLowerCase()).toContain(`${name}: ${value}`);
  });
});
