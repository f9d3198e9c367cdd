import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { ApiKeys, createKey } from '../../src/access/api-keys.ts';
import { post, serviceHere } from '../support/service.ts';
import { readStream } from '../support/sse.ts';
import { stopClock } from '../support/stopped-clock.ts';
import { tempFolder } from '../support/temp-folder.ts';

const EVENT = { userId: 'u', eventType: 'LOGIN' };
const SHOP = 'https://shop.example';

/** A service that wants keys, and a key of each kind. */
async function guarded(env: Record<string, string> = {}) {
  const write = createKey({ name: 'shop', scopes: ['write'], origins: [SHOP] });
  const read = createKey({ name: 'analyst', scopes: ['read'] });
  const admin = createKey({ name: 'operator', scopes: ['admin'] });
  const both = createKey({ name: 'both', scopes: ['read', 'write'] });
  const file = join(await tempFolder(), 'keys.json');
  const list = [write, read, admin, both].map(({ entry }) => entry);
  await writeFile(file, JSON.stringify(list));
  const service = await serviceHere({ API_KEYS_FILE: file, ...env });
  return {
    ...service,
    file,
    list,
    write: write.key,
    read: read.key,
    admin: admin.key,
    both: both.key,
  };
}

const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });

describe('API keys', () => {
  it('may follow their scheme after several spaces, and stand alone behind it', async () => {
    const { url, read } = await guarded();
    const statuses = [
      `Bearer  ${read}`,
      `bearer ${read} `,
      `Bearer ${read} junk`,
      `Bearer${read}`,
      'Bearer',
    ].map(
      async (Authorization) => (await fetch(`${url}/event-types`, { headers: { Authorization } })).status,
    );
    expect(await Promise.all(statuses)).toEqual([200, 200, 401, 401, 401]);
  });

  it('keep event types out of the documents, which anyone may read', async () => {
    const [open, withKeys] = await Promise.all([serviceHere(), guarded()]);
    const documents = [open, withKeys].map(async ({ url }) => (await fetch(`${url}/openapi.json`)).text());
    const [shown, hidden] = await Promise.all(documents);
    expect(shown).toContain('"LOGOUT"');
    expect(hidden).not.toContain('"LOGOUT"');
  });

  it('are asked for, and the answer tells nothing about which exist', async () => {
    const { url, write } = await guarded();
    const answers = await Promise.all(
      [{}, bearer('ff_wrong'), bearer(`${write}x`), { 'X-API-Key': '' }, { Authorization: 'Basic !!!' }].map(
        async (headers) => {
          const response = await post(url, EVENT, headers as Record<string, string>);
          return [response.status, response.headers.get('www-authenticate'), await response.text()];
        },
      ),
    );
    expect(answers[0]![0]).toBe(401);
    expect(answers[0]![1]).toContain('Bearer');
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it('are taken as bearer, in X-API-Key, and as the user of basic auth', async () => {
    const { url, write } = await guarded();
    const basic = Buffer.from(`${write}:`).toString('base64');
    for (const headers of [bearer(write), { 'X-API-Key': write }, { Authorization: `Basic ${basic}` }]) {
      expect((await post(url, EVENT, headers)).status).toBe(201);
    }
  });

  it('are taken from the address only where they can do nothing else than send', async () => {
    const { url, write, both, admin } = await guarded();
    const beacon = (key: string) =>
      fetch(`${url}/events/batch?key=${key}`, { method: 'POST', body: JSON.stringify([EVENT]) });
    expect((await beacon(write)).status).toBe(201);
    expect((await beacon(both)).status).toBe(401);
    expect((await beacon(admin)).status).toBe(401);
    expect((await fetch(`${url}/events/processed?key=${write}`)).status).toBe(401);
  });

  it.each([
    ['POST', '/events/generate', ['write', 'admin', 'both']],
    ['GET', '/events/processed', ['read', 'admin', 'both']],
    ['GET', '/event-types', ['read', 'admin', 'both']],
    ['GET', '/dead-letters', ['read', 'admin', 'both']],
    ['GET', '/metrics', ['read', 'admin', 'both']],
    ['POST', '/dead-letters/redrive', ['admin']],
  ] as const)('%s %s is for %j', async (method, path, allowed) => {
    const service = await guarded();
    for (const kind of ['write', 'read', 'admin', 'both'] as const) {
      const body = path.includes('redrive') ? { all: true } : EVENT;
      const response = await fetch(`${service.url}${path}`, {
        method,
        headers: { ...bearer(service[kind]), 'Content-Type': 'application/json' },
        ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
      });
      await response.text();
      const expected = (allowed as readonly string[]).includes(kind);
      expect([kind, response.status === 403, response.ok]).toEqual([kind, !expected, expected]);
    }
  });

  it('are not needed for probes', async () => {
    const { url } = await guarded();
    for (const path of ['/health', '/livez', '/readyz']) {
      await expect.poll(async () => (await fetch(`${url}${path}`)).status).toBe(200);
    }
  });

  it('can be changed while the service runs; a list at fault changes nothing', async () => {
    const { url, file, list, write, reload } = await guarded();
    const next = createKey({ name: 'shop', scopes: ['write'] });
    await writeFile(file, JSON.stringify([...list, next.entry]));
    reload();
    for (const key of [write, next.key]) expect((await post(url, EVENT, bearer(key))).status).toBe(201);
    await writeFile(file, '[{"name":"x"}]');
    reload();
    expect((await post(url, EVENT, bearer(next.key))).status).toBe(201);
    await writeFile(file, JSON.stringify([next.entry]));
    reload();
    expect((await post(url, EVENT, bearer(write))).status).toBe(401);
    expect((await post(url, EVENT, bearer(next.key))).status).toBe(201);
  });

  it('give two callers events of their own for the same Idempotency-Key, and one caller one', async () => {
    const service = await guarded();
    const ids = await Promise.all(
      [service.write, service.both, service.write].map(async (key) => {
        const response = await post(service.url, EVENT, { ...bearer(key), 'Idempotency-Key': 'k' });
        return ((await response.json()) as { event: { eventId: string } }).event.eventId;
      }),
    );
    expect(ids[0]).toBe(ids[2]);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it.each([
    ['not JSON', 'secret'],
    ['no list', '{}'],
    ['an empty list', '[]'],
    ['a scope there is not', '[{"name":"a","sha256":"x","scopes":["all"]}]'],
  ])('cannot be %s', (_what, text) => {
    expect(() => new ApiKeys({ text })).toThrow(/the list of keys is (not JSON|invalid)/);
    expect(() => new ApiKeys({ text })).not.toThrow(/secret/);
  });
});

describe('pages of other sites', () => {
  const preflight = (url: string, origin: string) =>
    fetch(`${url}/events/batch`, {
      method: 'OPTIONS',
      headers: {
        Origin: origin,
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,content-type',
      },
    });

  it('may call with a key that has their origin', async () => {
    const { url, write, both } = await guarded();
    const asked = await preflight(url, SHOP);
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, SHOP]);
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
    const sent = await post(url, EVENT, { ...bearer(write), Origin: SHOP });
    expect([sent.status, sent.headers.get('access-control-allow-origin')]).toEqual([201, SHOP]);
    expect((await post(url, EVENT, { ...bearer(both), Origin: SHOP })).status).toBe(403);
  });

  it.each<[status: number, path: string, body: object | undefined, headers: Record<string, string>]>([
    [201, '/events/generate?ack=stored', EVENT, { Prefer: 'wait=20' }],
    [201, '/events/batch', [EVENT], {}],
    [400, '/events/generate', {}, {}],
    [429, '/events/batch', [EVENT, EVENT, EVENT], {}],
    [404, '/nowhere', undefined, {}],
    [200, '/events/processed?limit=1', undefined, {}],
    [503, '/events/stream', undefined, {}],
  ])('can read every header of an answer with %s from %s', async (status, path, body, headers) => {
    const { url } = await serviceHere({
      CORS_ORIGINS: SHOP,
      RATE_LIMIT_EVENTS_PER_SECOND: '2',
      MAX_STREAMS: '1',
    });
    await Promise.all([post(url, { ...EVENT, eventId: randomUUID() }), fetch(`${url}/events/stream`)]);
    const method = body === undefined ? 'GET' : 'POST';
    const type = { 'Content-Type': 'application/json' };
    const request = { method, headers: { ...headers, ...type, Origin: SHOP }, body: JSON.stringify(body) };
    const answer = await fetch(`${url}${path}`, request);
    expect(answer.status).toBe(status);
    const exposed = answer.headers.get('access-control-expose-headers')?.toLowerCase().split(/, */) ?? [];
    const ours = [...answer.headers.keys()].filter((name) => /^(error|event|ratelimit)-/.test(name));
    const others = ['location', 'link', 'retry-after', 'allow', 'preference-applied', 'www-authenticate'];
    expect(exposed).toEqual(expect.arrayContaining(ours));
    expect(exposed).toEqual(expect.arrayContaining(others.filter((name) => answer.headers.has(name))));
    expect(exposed.filter((name) => !answer.headers.has(name))).toEqual([]);
  });

  it('may not call otherwise, with and without keys', async () => {
    const { url, write } = await guarded();
    const open = await serviceHere();
    const evil = 'https://evil.example';
    expect((await preflight(url, evil)).headers.get('access-control-allow-origin')).toBeNull();
    for (const [where, headers] of [
      [url, bearer(write)],
      [open.url, {}],
    ] as const) {
      const response = await post(where, EVENT, { ...headers, Origin: evil });
      expect([response.status, response.headers.get('error-code')]).toEqual([403, 'origin_not_allowed']);
    }
    expect((await post(open.url, EVENT, { Origin: open.url })).status).toBe(201);
  });

  it('may call where no keys are needed and their origin is listed', async () => {
    const { url } = await serviceHere({ CORS_ORIGINS: `${SHOP}, https://other.example` });
    const sent = await post(url, EVENT, { Origin: SHOP });
    expect([sent.status, sent.headers.get('access-control-allow-origin')]).toEqual([201, SHOP]);
  });
});

describe('rate limits', () => {
  it('turn away what is more, with the time after which there is room', async () => {
    stopClock();
    const { url } = await serviceHere({ RATE_LIMIT_EVENTS_PER_SECOND: '3' });
    const answers = await Promise.all(Array.from({ length: 5 }, () => post(url, EVENT)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 429, 429]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(refused.headers.get('error-retryable')).toBe('true');
    const taken = answers.find(({ status }) => status === 201)!;
    expect(taken.headers.get('ratelimit-limit')).toBe('3');
    expect(taken.headers.get('ratelimit-reset')).toBe('1');
  });

  it('count for each caller on its own, by name, and a batch by its events', async () => {
    stopClock();
    const keys = ['a', 'a', 'b'].map((name) => createKey({ name, scopes: ['write'], eventsPerSecond: 2 }));
    const { url } = await serviceHere({ API_KEYS: JSON.stringify(keys.map(({ entry }) => entry)) });
    const batch = (key: string, events: number) =>
      fetch(`${url}/events/batch`, {
        method: 'POST',
        headers: { ...bearer(key), 'Content-Type': 'application/json' },
        body: JSON.stringify(Array.from({ length: events }, () => EVENT)),
      });
    expect((await batch(keys[0]!.key, 2)).status).toBe(201);
    const refused = await batch(keys[1]!.key, 2);
    expect([refused.status, refused.headers.has('retry-after')]).toEqual([429, true]);
    expect((await batch(keys[2]!.key, 2)).status).toBe(201);
  });

  it('take one batch that is larger than the limit, and make the next wait for it', async () => {
    stopClock();
    const { url } = await serviceHere({ RATE_LIMIT_EVENTS_PER_SECOND: '2' });
    const batch = await fetch(`${url}/events/batch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(Array.from({ length: 10 }, () => EVENT)),
    });
    expect(batch.status).toBe(201);
    const next = await post(url, EVENT);
    expect([next.status, next.headers.get('retry-after')]).toEqual([429, '5']);
  });

  it('go by a clock that nobody sets', async () => {
    stopClock();
    const { url } = await serviceHere({ RATE_LIMIT_EVENTS_PER_SECOND: '1' });
    const statusAt = async (minutes: number) => {
      vi.setSystemTime(vi.getMockedSystemTime()!.getTime() + minutes * 60_000);
      const { status, headers } = await post(url, EVENT);
      return [status, headers.get('retry-after')];
    };
    expect(await statusAt(0)).toEqual([201, null]);
    expect(await statusAt(-10)).toEqual([429, '1']);
    expect(await statusAt(20)).toEqual([429, '1']);
    vi.advanceTimersByTime(1000);
    expect(await statusAt(-10)).toEqual([201, null]);
  });

  it('let a caller have what it did not use, when all together had no room for it', async () => {
    stopClock();
    const limited = createKey({ name: 'limited', scopes: ['write'], eventsPerSecond: 10 });
    const { url } = await serviceHere({
      API_KEYS: JSON.stringify([limited.entry]),
      RATE_LIMIT_EVENTS_PER_SECOND: '4',
    });
    const remaining = async () =>
      (await post(url, EVENT, bearer(limited.key))).headers.get('ratelimit-remaining');
    expect(await remaining()).toBe('9');
    const batch = await fetch(`${url}/events/batch`, {
      method: 'POST',
      headers: { ...bearer(limited.key), 'Content-Type': 'application/json' },
      body: JSON.stringify(Array.from({ length: 5 }, () => EVENT)),
    });
    expect(batch.status).toBe(429);
    vi.advanceTimersByTime(250);
    expect(await remaining()).toBe('9');
  });

  it('of one caller cost others nothing when they refuse it', async () => {
    stopClock();
    const limited = createKey({ name: 'limited', scopes: ['write'], eventsPerSecond: 1 });
    const other = createKey({ name: 'other', scopes: ['write'] });
    const { url } = await serviceHere({
      API_KEYS: JSON.stringify([limited.entry, other.entry]),
      RATE_LIMIT_EVENTS_PER_SECOND: '3',
    });
    const statuses = async (key: string, count: number) => {
      const answers = await Promise.all(Array.from({ length: count }, () => post(url, EVENT, bearer(key))));
      return answers.map(({ status }) => status).sort();
    };
    expect(await statuses(limited.key, 5)).toEqual([201, 429, 429, 429, 429]);
    expect(await statuses(other.key, 3)).toEqual([201, 201, 429]);
  });
});

describe('streams', () => {
  it('are as many as one caller may have, and others have theirs', async () => {
    const keys = ['one', 'other'].map((name) => createKey({ name, scopes: ['read'] }));
    const { url } = await serviceHere({
      API_KEYS: JSON.stringify(keys.map(({ entry }) => entry)),
      MAX_STREAMS_PER_CALLER: '2',
    });
    const [one, other] = keys.map(({ key }) => bearer(key));
    const open = (headers = one!) => readStream(`${url}/events/stream`, headers);
    const streams = [await open(), await open()];
    await expect(open()).rejects.toThrow(/^503 /);
    const others = await open(other);
    streams[0]!.close();
    // The service learns a moment later that a reader has gone.
    await expect
      .poll(() =>
        open().then(
          (stream) => streams.push(stream),
          () => 0,
        ),
      )
      .toBe(3);
    for (const stream of [...streams, others]) stream.close();
  });
});
