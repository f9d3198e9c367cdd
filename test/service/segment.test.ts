import { gzipSync } from 'node:zlib';
import { Analytics } from '@segment/analytics-node';
import { describe, expect, it } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { post, processed, serviceHere } from '../support/service.ts';

interface Sent {
  status: number;
  headers: Headers;
  answer: { success: boolean; errors?: string[]; results?: { status: number; code?: string }[] };
}

async function send(
  url: string,
  path: string,
  body: object | string | Buffer,
  headers: Record<string, string> = {},
): Promise<Sent> {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof text === 'string' ? text : new Uint8Array(text),
  });
  return {
    status: response.status,
    headers: response.headers,
    answer: (await response.json()) as Sent['answer'],
  };
}

async function storedTypes(url: string, count: number): Promise<string[]> {
  await expect.poll(async () => (await processed(url)).length).toBe(count);
  return ((await processed(url)) as unknown as { eventType: string }[]).map(({ eventType }) => eventType);
}

describe("Segment's protocol, with the catalog as it is at first", () => {
  it('takes every kind of message of its library for Node, and each arrives', async () => {
    const { url } = await serviceHere();
    const analytics = new Analytics({ writeKey: 'anything', host: url, flushAt: 20 });
    const failed: unknown[] = [];
    analytics.on('error', (error) => failed.push(error));
    analytics.track({ userId: 'u', event: 'PRODUCT_VIEW', properties: { productId: 'p' } });
    analytics.track({ userId: 'u', event: 'Order PreparedEvent', properties: { total: 17 } });
    analytics.identify({ userId: 'u', traits: { plan: 'free' } });
    analytics.page({ userId: 'u', name: 'Home' });
    analytics.screen({ userId: 'u', name: 'Home' });
    analytics.group({ userId: 'u', groupId: 'g' });
    analytics.alias({ userId: 'u', previousId: 'old' });
    await analytics.closeAndFlush();
    const kinds = ['PRODUCT_VIEW', 'track', 'identify', 'page', 'screen', 'group', 'alias'];
    expect(await storedTypes(url, 7)).toEqual(kinds);
    expect((await processed(url))[1]!.payload).toMatchObject({
      event: 'Order PreparedEvent',
      properties: { total: 17 },
    });
    expect(failed).toEqual([]);
    // Its types are those of messages: elsewhere they are unknown.
    expect((await post(url, { userId: 'u', eventType: 'track' })).status).toBe(400);
  });

  it.each([
    ['/v1/t', { event: 'E' }, 'track'],
    ['/v1/i', {}, 'identify'],
    ['/v1/p', {}, 'page'],
    ['/v1/s', {}, 'screen'],
    ['/v1/g', { groupId: 'g' }, 'group'],
    ['/v1/a', { previousId: 'o' }, 'alias'],
    ['/v1/b', { batch: [{ type: 'page', userId: 'u' }] }, 'page'],
    ['/v1/import', { batch: [{ type: 'page', userId: 'u' }] }, 'page'],
  ])('takes %s, as its libraries for browsers send it', async (path, more, type) => {
    const { url } = await serviceHere({ CORS_ORIGINS: 'https://shop.example' });
    const preflight = await fetch(url + path, {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://shop.example',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,content-type,x-retry-count',
      },
    });
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    const sent = await send(
      url,
      path,
      { userId: 'u', ...more },
      { 'Content-Type': 'text/plain', Origin: 'https://shop.example' },
    );
    expect([sent.status, sent.answer]).toEqual([200, { success: true }]);
    expect(await storedTypes(url, 1)).toEqual([type]);
  });

  it.each([
    [{ userId: '', anonymousId: 'anon-1' }, 'anon-1'],
    [{ userId: null, anonymousId: 'anon-1' }, 'anon-1'],
    [{ userId: 42 }, '42'],
  ])('takes a message of %j, as from %s', async (who, userId) => {
    const { url } = await serviceHere();
    expect((await send(url, '/v1/track', { ...who, event: 'E' })).status).toBe(200);
    await expect.poll(() => processed(url)).toMatchObject([{ userId }]);
  });

  it("takes a body that calls itself a form, as RudderStack's library for Node sends it", async () => {
    const { url } = await serviceHere();
    const message = { type: 'track', userId: 'u', event: 'E', originalTimestamp: '2026-01-02T03:04:05.678Z' };
    const body = gzipSync(JSON.stringify({ batch: [message], sentAt: '2026-01-02T03:04:06.000Z' }));
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Encoding': 'gzip' };
    expect((await send(url, '/v1/batch', body, headers)).status).toBe(200);
    await expect.poll(() => processed(url)).toMatchObject([{ timestamp: '2026-01-02T03:04:05.678Z' }]);
  });

  it('gives each message what its batch says for all, byte for byte, and its own counts more', async () => {
    const { url } = await serviceHere();
    const batch =
      '{"context":{"ip":"192.0.2.1","n":9007199254740993,"app":{"a":1.0}},"integrations":{"All":true},"batch":[' +
      '{"type":"track","userId":"u","event":"E"},' +
      '{"type":"track","userId":"u","event":"E","context":{"ip":"::1"}, "integrations":{"X":false}}]}';
    expect((await send(url, '/v1/batch', batch)).status).toBe(200);
    await expect.poll(async () => (await processed(url)).length).toBe(2);
    const text = await (await fetch(`${url}/events/processed`)).text();
    expect(text).toContain(
      '"payload":{"type":"track","userId":"u","event":"E","context":{"ip":"192.0.2.1","n":9007199254740993,"app":{"a":1.0}},"integrations":{"All":true}}',
    );
    expect(text).toContain(
      '"context":{"ip":"::1","n":9007199254740993,"app":{"a":1.0}},"integrations":{"All":true,"X":false}}',
    );
  });

  it('takes no more of a batch than its limit once each message has what is said for all', async () => {
    const { url } = await serviceHere({ MAX_BATCH_BYTES: '100000' });
    const batch = Array.from({ length: 5 }, () => ({ type: 'page', userId: 'u' }));
    const sent = await send(url, '/v1/batch', { context: { text: 'x'.repeat(30_000) }, batch });
    expect([sent.status, sent.headers.get('error-code')]).toEqual([400, 'batch_too_large']);
    expect(sent.answer.results!.map(({ status }) => status)).toEqual([201, 201, 201, 413, 413]);
  });

  it('stores a message once although its library changes what it says of the sending', async () => {
    const { url } = await serviceHere();
    const message = { userId: 'u', event: 'E', messageId: 'm', properties: { a: 1 } };
    const again = {
      ...message,
      sentAt: '2026-01-02T03:04:06Z',
      _metadata: { retries: 1 },
      context: { retry: 1 },
    };
    expect((await send(url, '/v1/track', message)).status).toBe(200);
    expect((await send(url, '/v1/track', again)).status).toBe(200);
    const other = await send(url, '/v1/track', { ...message, properties: { a: 2 } });
    expect([other.status, other.headers.get('error-code')]).toEqual([409, 'id_conflict']);
    expect(await storedTypes(url, 1)).toEqual(['track']);
  });
});

describe('what Segment’s libraries are told, who look at the status alone', () => {
  const good = { type: 'track', userId: 'u', event: 'E', messageId: 'good' };

  it('is an error when a message is refused for good, and what was good is stored once', async () => {
    const { url } = await serviceHere();
    for (let time = 0; time < 2; time++) {
      const { status, headers, answer } = await send(url, '/v1/batch', {
        batch: [good, { type: 'track', userId: 'u' }, { type: 'odd' }],
      });
      expect([status, headers.get('error-code'), headers.get('error-retryable')]).toEqual([
        400,
        'invalid_event',
        'false',
      ]);
      expect(answer.results!.map((one) => one.status)).toEqual([201, 400, 400]);
    }
    expect(await storedTypes(url, 1)).toEqual(['track']);
    const analytics = new Analytics({ writeKey: 'any', host: url });
    const failed: unknown[] = [];
    analytics.on('error', (error) => failed.push(error));
    analytics.track({ userId: 'x'.repeat(300), event: 'E' });
    analytics.track({ userId: 'u', event: 'E' });
    await analytics.closeAndFlush();
    expect(failed.length).toBeGreaterThan(0);
  });

  it("says in an error's body what RudderStack's library for Python reads there, and other routes do not", async () => {
    const { entry } = createKey({ name: 'segment', scopes: ['write'] });
    const { url } = await serviceHere({ API_KEYS: JSON.stringify([entry]) });
    const known = { code: 'unauthorized', message: expect.stringContaining('API key') };
    for (const path of ['/v1/track', '/v1/b', '/v1/import']) {
      expect((await send(url, path, {})).answer).toMatchObject(known);
    }
    expect((await send(url, '/events/generate', {})).answer).not.toHaveProperty('code');
  });

  it.each([1, 600])('says so of a batch in which a message is refused, with %s others', async (others) => {
    const { url } = await serviceHere();
    const message = { type: 'page', userId: 'u' };
    const batch = [{ type: 'page' }, ...Array.from({ length: others }, () => message)];
    const { status, answer } = await send(url, '/v1/batch', { batch });
    expect([status, answer.results?.length]).toEqual([400, others + 1]);
    expect(answer).toMatchObject({
      success: false,
      accepted: others,
      rejected: 1,
      code: 'invalid_event',
      message: 'userId or anonymousId is required',
    });
    const events = [{}, ...Array.from({ length: others }, () => ({ userId: 'u', eventType: 'LOGIN' }))];
    const plain = await send(url, '/events/batch?dedupe=content', events);
    expect([plain.status, 'code' in plain.answer]).toEqual([400, false]);
  });

  it('is to come back when a message can be taken later, and then all arrive', async () => {
    const limited = createKey({ name: 'limited', scopes: ['write', 'read'], eventsPerSecond: 100 });
    const { url } = await serviceHere({ API_KEYS: JSON.stringify([limited.entry]) });
    const headers = { Authorization: `Basic ${Buffer.from(`${limited.key}:`).toString('base64')}` };
    const batch = Array.from({ length: 600 }, (_, at) => ({ ...good, messageId: `m${at}` }));
    const first = await send(url, '/v1/batch', { batch }, headers);
    expect([first.status, first.headers.get('error-code')]).toEqual([429, 'rate_limited']);
    expect(Number(first.headers.get('retry-after'))).toBeGreaterThan(0);
    await expect.poll(async () => (await send(url, '/v1/batch', { batch }, headers)).status).toBe(200);
    const stored = async () =>
      (await (await fetch(`${url}/events/processed`, { headers })).json()) as object[];
    await expect.poll(async () => (await stored()).length).toBe(600);
  });
});

describe('shippers of logs, with ?dedupe=content', () => {
  const record = (n: number) => ({
    userId: 'u',
    eventType: 'LOGIN',
    timestamp: '2026-01-02T03:04:05Z',
    payload: { n },
  });

  it('are told 400 of what is refused for good, and what was good is stored once however often it comes', async () => {
    const { url } = await serviceHere();
    for (let time = 0; time < 3; time++) {
      const sent = await send(url, '/events/batch?dedupe=content', [record(1), { userId: 'u' }, record(2)]);
      expect(sent.status).toBe(400);
    }
    expect(await storedTypes(url, 2)).toHaveLength(2);
    expect((await send(url, '/events/batch?dedupe=content', [record(1)])).status).toBe(201);
  });

  it('are told 503 of what can be taken later, and all arrive', async () => {
    const limited = createKey({ name: 'limited', scopes: ['write', 'read'], eventsPerSecond: 100 });
    const { url } = await serviceHere({ API_KEYS: JSON.stringify([limited.entry]) });
    const headers = { 'X-API-Key': limited.key };
    const chunk = Array.from({ length: 600 }, (_, n) => record(n));
    const path = '/events/batch?dedupe=content';
    const first = await send(url, path, chunk, headers);
    expect([first.status, first.headers.get('error-code')]).toEqual([503, 'rate_limited']);
    await expect.poll(async () => (await send(url, path, chunk, headers)).status).toBe(201);
  });
});

describe('members that are not kept', () => {
  it('are named in Event-Warnings, and in the results of a batch', async () => {
    const { url } = await serviceHere();
    const body = { userId: 'u', eventType: 'LOGIN', device: 'iPhone', properties: {} };
    const one = await post(url, body);
    expect([one.status, decodeURI(one.headers.get('event-warnings')!)]).toEqual([
      201,
      'not kept, unless inside payload: device, properties',
    ]);
    const { answer } = await send(url, '/events/batch', [{ ...body, timestamp: '2026-01-02T03:04:05Z' }]);
    expect(answer.results).toMatchObject([
      { warnings: ['not kept, unless inside payload: device, properties'] },
    ]);
    const many = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`${at}`.padEnd(99, '\ud800'), 1]));
    const odd = await post(url, { userId: 'u', eventType: 'LOGIN', ...many });
    expect(decodeURI(odd.headers.get('event-warnings')!)).toContain(' and 2 more');
    expect(
      (await post(url, { userId: 'u', eventType: 'LOGIN', payload: {} })).headers.get('event-warnings'),
    ).toBeNull();
  });

  it('are none of a CloudEvent: its source, id and extensions are kept as they were sent', async () => {
    const { url } = await serviceHere({ UNKNOWN_EVENT_TYPES: 'accept' });
    const attributes =
      '{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"u","tenant":"t-1","time":"2026-01-02T03:04:05.123456789Z","big":12345678901}';
    const event = `${attributes.slice(0, -1)},"data":{"a":1.0}}`;
    await send(url, '/cloudevents', event, { 'Content-Type': 'application/cloudevents+json' });
    await expect.poll(async () => (await processed(url)).length).toBe(1);
    const text = await (await fetch(`${url}/events/processed`)).text();
    expect(text).toContain(`"payload":{"a":1.0},"attributes":${attributes}}`);
    // Another trace is the same event.
    const again = await send(url, '/cloudevents', event.replace('"t-1"', '"t-2"'), {
      'Content-Type': 'application/cloudevents+json',
    });
    expect([again.status, again.headers.get('event-duplicate')]).toEqual([201, 'same']);
  });
});
