import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { post, serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

interface Rejected {
  events: {
    id: string;
    caller: string | null;
    code: string;
    errors: string[];
    body: string | null;
    truncated: boolean;
  }[];
  next: string | null;
  process: string;
}

async function rejected(url: string, query = '', headers: Record<string, string> = {}): Promise<Rejected> {
  const response = await fetch(`${url}/events/rejected${query}`, { headers });
  expect(response.status).toBe(200);
  return (await response.json()) as Rejected;
}

function send(
  url: string,
  path: string,
  body: string | Buffer,
  type = 'application/json',
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': type },
    body,
  });
}

const LOGIN = { userId: 'u', eventType: 'LOGIN' };

describe('GET /events/rejected', () => {
  it.each([
    ['an invalid event', '/events/generate', '{"userId":"","eventType":"LOGIN"}', 'invalid_event'],
    ['what is not JSON', '/events/generate', '{"userId":', 'body_not_json'],
    ['a CloudEvent without attributes', '/cloudevents', '{"specversion":"1.0"}', 'invalid_event'],
    ["a message of Segment's without a user", '/v1/track', '{"event":"x"}', 'invalid_event'],
  ])('shows %s as it was sent, and why it was refused', async (_what, path, body, code) => {
    const { url } = await serviceHere();
    const type = path === '/cloudevents' ? 'application/cloudevents+json' : undefined;
    const response = await send(url, path, body, type);
    const { errors, error } = (await response.json()) as { errors?: string[]; error?: string };
    expect((await rejected(url)).events).toMatchObject([
      { code, path, errors: errors ?? [error], body, caller: null, truncated: false },
    ]);
  });

  it('shows each refused element of a batch, and none that was taken', async () => {
    const { url } = await serviceHere();
    const elements = [LOGIN, { ...LOGIN, userId: '' }, LOGIN, { ...LOGIN, eventType: 'NONE' }];
    expect((await send(url, '/events/batch', JSON.stringify(elements))).status).toBe(207);
    const { events } = await rejected(url);
    expect(events.map(({ body }) => JSON.parse(body!))).toEqual([elements[3], elements[1]]);
  });

  it.each(['/events/generate', '/events/batch'])(
    'shows the second event of one id sent to %s',
    async (path) => {
      const { url } = await serviceHere();
      const eventId = randomUUID();
      const one = (at: number) => ({ ...LOGIN, eventId, payload: { at } });
      const body = (at: number) => JSON.stringify(path === '/events/batch' ? [one(at)] : one(at));
      expect((await send(url, path, body(1))).status).toBe(201);
      await send(url, path, body(2));
      const { events } = await rejected(url);
      expect(events).toMatchObject([{ code: 'id_conflict' }]);
      expect(JSON.parse(events[0]!.body!)).toEqual(one(2));
    },
  );

  it('goes through them page by page, and by code', async () => {
    const { url } = await serviceHere();
    for (const body of ['{', '[]', '{"userId":1}', '{']) await send(url, '/events/generate', body);
    const first = await rejected(url, '?limit=3');
    expect([first.events.map(({ id }) => id), first.next]).toEqual([['4', '3', '2'], '2']);
    const second = await rejected(url, `?limit=3&cursor=${first.next}`);
    expect([second.events.map(({ id }) => id), second.next]).toEqual([['1'], null]);
    expect((await rejected(url, '?after=2')).events.map(({ id }) => id)).toEqual(['4', '3']);
    expect((await rejected(url, '?code=body_not_json')).events.map(({ id }) => id)).toEqual(['4', '1']);
  });

  it.each(['limit=0', 'cursor=x', 'after=-1', 'code=nothing', 'what=1'])('refuses %s', async (query) => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}/events/rejected?${query}`);
    expect([response.status, response.headers.get('error-code')]).toEqual([400, 'invalid_query']);
  });

  it('keeps nothing when told so', async () => {
    const { url } = await serviceHere({ REJECTED_EVENTS_BYTES: '0' });
    await post(url, '{');
    expect((await rejected(url)).events).toEqual([]);
  });

  it('names the caller, and is for keys that may read alone', async () => {
    const shop = createKey({ name: 'shop', scopes: ['write'] });
    const support = createKey({ name: 'support', scopes: ['read'] });
    const file = join(await tempFolder(), 'keys.json');
    await writeFile(file, JSON.stringify([shop.entry, support.entry]));
    const { url } = await serviceHere({ API_KEYS_FILE: file });
    const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });
    await post(url, '{}', bearer(shop.key));
    await post(url, '{}', bearer('wrong'));
    await post(url, '{}', bearer(support.key));
    const { events } = await rejected(url, '?caller=shop', bearer(support.key));
    expect(events).toMatchObject([{ caller: 'shop', code: 'invalid_event', body: '{}' }]);
    expect((await rejected(url, '', bearer(support.key))).events).toHaveLength(1);
    const refused = await fetch(`${url}/events/rejected`, { headers: bearer(shop.key) });
    expect(refused.status).toBe(403);
  });
});
