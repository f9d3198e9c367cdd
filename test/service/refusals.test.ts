import { PassThrough } from 'node:stream';
import { expect, it, vi } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { serviceHere } from '../support/service.ts';
import { stopClock } from '../support/stopped-clock.ts';

/** A service with three keys, and what it has logged so far. */
async function watched() {
  const lines = new PassThrough();
  let text = '';
  lines.on('data', (chunk) => {
    text += chunk;
  });
  const scopes = ['write', 'metrics', 'admin'] as const;
  const keys = scopes.map((scope) => createKey({ name: `the ${scope} key`, scopes: [scope] }));
  const API_KEYS = JSON.stringify(keys.map(({ entry }) => entry));
  const logger = await createLogger({ level: 'info', format: 'json' }, lines);
  const { url } = await serviceHere({ API_KEYS }, { logger });
  const [write, metrics, admin] = keys.map(({ key }) => key) as [string, string, string];
  const call = async (path: string, key?: string, init: RequestInit = {}) => {
    const headers = { 'Content-Type': 'application/json', ...(key && { 'X-API-Key': key }) };
    const response = await fetch(`${url}${path}`, { ...init, headers });
    return { status: response.status, text: await response.text() };
  };
  const logged = (message: string) =>
    text
      .split('\n')
      .filter((line) => line.includes(message))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { call, logged, write, metrics, admin, all: () => text };
}

it('requests turned away are counted, and logged with the name of the key and never the key', async () => {
  const { call, logged, write, metrics, admin, all } = await watched();
  await call('/events/processed');
  await call('/events/processed?userId=secret', write);
  await call(`/wp-login.php?key=${write}`);
  await call('/events/00000000-0000-4000-8000-000000000000', admin);
  const refused = logged('Request refused').map(({ code, path, method, key }) => ({
    code,
    path,
    method,
    key,
  }));
  const method = 'GET';
  expect(refused).toEqual([
    { code: 'unauthorized', path: '/events/processed', method, key: undefined },
    { code: 'forbidden', path: '/events/processed', method, key: 'the write key' },
    { code: 'endpoint_not_found', path: '/wp-login.php', method, key: undefined },
  ]);
  expect([all().includes(write), all().includes('secret')]).toEqual([false, false]);
  const { text } = await call('/metrics', metrics);
  for (const code of ['unauthorized', 'forbidden', 'endpoint_not_found', 'event_not_found']) {
    expect(text).toContain(`footfall_requests_refused_total{code="${code}"} 1`);
  }
});

it('of a flood of refusals ten a minute are logged, and how many were not', async () => {
  stopClock();
  const { call, logged } = await watched();
  for (let count = 0; count < 25; count++) await call('/events/processed');
  expect(logged('Request refused')).toHaveLength(10);
  await call('/nowhere');
  expect(logged('Request refused')).toHaveLength(11);
  vi.advanceTimersByTime(60_000);
  await call('/events/processed');
  expect(logged('Request refused').at(-1)).toMatchObject({ code: 'unauthorized', omitted: 15 });
});

it('who sends dead letters back is logged and counted', async () => {
  const { call, logged, metrics, admin } = await watched();
  const redrive = { method: 'POST', body: JSON.stringify({ ids: ['7'] }) };
  expect((await call('/dead-letters/redrive', admin, redrive)).status).toBe(200);
  expect(logged('Dead letters sent back')).toMatchObject([
    { key: 'the admin key', ids: [7], hasReplacement: false },
  ]);
  expect((await call('/metrics', metrics)).text).toContain('footfall_redrives_total 1');
});

it('a key for metrics opens metrics alone', async () => {
  const { call, metrics } = await watched();
  expect((await call('/metrics', metrics)).status).toBe(200);
  for (const path of ['/events/processed', '/event-types', '/events/stats', '/dead-letters']) {
    expect(await call(path, metrics)).toMatchObject({ status: 403 });
  }
  const post = { method: 'POST', body: '{"userId":"u","eventType":"LOGIN"}' };
  expect((await call('/events/generate', metrics, post)).status).toBe(403);
});
