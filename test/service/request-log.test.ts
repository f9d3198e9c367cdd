import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { post, serviceHere, store as storeAll } from '../support/service.ts';

const EVENT = { userId: 'a-user', eventType: 'LOGIN', payload: { secret: 'a-secret' } };
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A service whose log is kept, line by line. */
async function logged(env: Record<string, string> = {}, level = 'debug') {
  const stream = new PassThrough();
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  const store = new MemoryStore();
  const logger = await createLogger({ level, format: 'json' }, stream);
  const service = await serviceHere({ LOG_EVERY_NTH_EVENT: '0', ...env }, { logger, store });
  const lines = () =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => String(msg).startsWith('[API] Request'))
      .filter(({ path }) => path !== '/metrics');
  return { ...service, store, lines, all: () => text };
}

function idOf(response: Response): string | null {
  return response.headers.get('x-request-id');
}

describe('the id of a request', () => {
  it.each([
    ['an answer', '/event-types', {}],
    ['what is not found', '/nowhere', {}],
    ['what is not allowed', '/events/generate', {}],
    ['a path that is none', '/%zz', {}],
    ['a body that is not an event', '/events/generate', { method: 'POST', body: '{' }],
    ['the page', '/', {}],
    ['the state of the service', '/livez', {}],
  ])('comes with %s', async (_, path, init) => {
    const { url } = await serviceHere();
    const headers = { 'Content-Type': 'application/json' };
    expect(idOf(await fetch(`${url}${path}`, { ...init, headers }))).toMatch(UUID);
    const own = { ...headers, 'X-Request-Id': 'mine-1' };
    expect(idOf(await fetch(`${url}${path}`, { ...init, headers: own }))).toBe('mine-1');
  });

  it.each(['', 'a b', '"', '{"a":1}', 'é', 'x'.repeat(129)])('is another where %j was sent', async (id) => {
    const { url } = await serviceHere();
    expect(idOf(await fetch(`${url}/livez`, { headers: { 'X-Request-Id': id } }))).toMatch(UUID);
  });
});

describe('the log of requests', () => {
  it('has a line at debug, with the id, the name of the key and the event, and nothing of what was sent', async () => {
    const { key, entry } = createKey({ name: 'the shop', scopes: ['write', 'read'] });
    const { url, lines, all } = await logged({ API_KEYS: JSON.stringify([entry]) });
    const headers = { Authorization: `Bearer ${key}`, 'X-Request-Id': 'mine-1' };
    const response = await post(url, EVENT, headers);
    await fetch(`${url}/events/processed?userId=a-user&key=${key}`, { headers });
    await expect.poll(lines).toHaveLength(2);
    const common = {
      level: 20,
      requestId: 'mine-1',
      key: 'the shop',
      address: '127.0.0.1',
      msg: '[API] Request',
    };
    const [sent, read] = lines();
    expect(sent).toMatchObject({
      ...common,
      method: 'POST',
      path: '/events/generate',
      status: '201',
      event: response.headers.get('location'),
    });
    expect(read).toMatchObject({ ...common, method: 'GET', path: '/events/processed', status: '400' });
    for (const text of [key, 'a-secret', 'a-user']) expect(all()).not.toContain(text);
  });

  it('has no line at info for what succeeded, or was the fault of its sender', async () => {
    const { url, lines } = await logged({}, 'info');
    await post(url, EVENT);
    await post(url, {});
    expect(lines()).toEqual([]);
  });

  it('warns of what failed, with its code, ten times a minute', async () => {
    const { url, lines, store } = await logged({}, 'info');
    vi.spyOn(store, 'watermarks').mockRejectedValue(new Error('broken'));
    await fetch(`${url}/events/processed`, { headers: { 'X-Request-Id': 'mine-1' } });
    await expect
      .poll(lines)
      .toMatchObject([
        { level: 50, requestId: 'mine-1', path: '/events/processed', err: { message: 'broken' } },
      ]);
    vi.spyOn(store, 'ping').mockRejectedValue(new Error('away'));
    await expect.poll(async () => (await fetch(`${url}/health`)).status).toBe(503);
    for (let more = 0; more < 12; more++) await fetch(`${url}/health`);
    const failed = () => lines().filter(({ level }) => level === 40);
    await expect.poll(failed).toHaveLength(10);
    expect(failed()[0]).toMatchObject({ msg: '[API] Request failed', path: '/health', status: '503' });
  });

  it('warns of what was slow, and not of a stream or an export', async () => {
    const { url, lines } = await logged({ LOG_SLOW_REQUEST_MS: '1' }, 'info');
    const events = Array.from({ length: 500 }, () => EVENT);
    const stream = await fetch(`${url}/events/stream`);
    await storeAll(url, events);
    await stream.body!.cancel();
    const exported = await fetch(`${url}/events/processed`, { headers: { Accept: 'application/x-ndjson' } });
    expect((await exported.text()).split('\n')).toHaveLength(501);
    await storeAll(url, events);
    const slow = { level: 40, msg: '[API] Request slow', path: '/events/batch', status: '201' };
    await expect.poll(lines).toMatchObject([slow, slow]);
  });
});
