import { request } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isScalarAt, scalarAt } from '../../src/events/payload-path.ts';
import { post, processed, serviceHere, store } from '../support/service.ts';
import { readStream } from '../support/sse.ts';

const ACCEPTS_ALL = { UNKNOWN_EVENT_TYPES: 'accept' };
const EVENT = { userId: 'u', eventType: 'LOGIN' };
const lines = (from: number) =>
  Array.from({ length: 10 }, (_, at) => `${JSON.stringify({ ...EVENT, userId: `u${from + at}` })}\n`).join(
    '',
  );

/** Sends header bytes as they are, which `fetch` would not. */
function sendRaw(
  url: string,
  path: string,
  {
    method = 'POST',
    headers = {},
    body = '',
  }: { method?: string; headers?: Record<string, string>; body?: string },
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}`, { method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
    });
    sent.on('error', reject).end(Buffer.from(body));
  });
}

describe('days that do not exist', () => {
  it.each(['2023-02-30T10:00:00Z', '2023-02-29T00:00:00Z', '2023-04-31T00:00:00Z', '2023-02-30T10:00Z'])(
    '%s are refused, sent and asked for',
    async (timestamp) => {
      const { url } = await serviceHere();
      const body = JSON.stringify([{ ...EVENT, timestamp }]);
      const headers = { 'Content-Type': 'application/json' };
      expect((await fetch(`${url}/events/batch`, { method: 'POST', headers, body })).status).toBe(400);
      expect((await fetch(`${url}/events/processed?from=${timestamp}`)).status).toBe(400);
    },
  );
});

describe('the address of the next page', () => {
  it('keeps every byte of the query, also what is behind a second question mark', async () => {
    const { url } = await serviceHere();
    const payload = { link: 'https://shop/p?id=7', plus: 'a b' };
    const event = (userId: string) => ({ ...EVENT, userId, payload });
    await store(url, ['a?b=1', 'a', 'a?b=1', 'a'].map(event));
    const query = 'userId=a?b=1&payload.link=https://shop/p?id=7&payload.plus=a+b&limit=1';
    const first = await sendRaw(url, `/events/processed?${query}`, { method: 'GET' });
    const [, next] = /^<(.*)>; rel="next"$/.exec(String(first.headers.link))!;
    expect(next).toBe(`/events/processed?${query}&cursor=1`);
    const second = await sendRaw(url, next!, { method: 'GET' });
    expect(JSON.parse(second.text)).toMatchObject([{ userId: 'a?b=1' }]);
    // A cursor takes the place of the one before, and what would end the address does not.
    const odd = await sendRaw(url, `/events/processed?payload.plus=a%20b&cursor=0&limit=1&userId=<a>`, {
      method: 'GET',
    });
    expect(odd.headers.link).toBeUndefined();
    const further = await sendRaw(url, '/events/processed?cursor=1&limit=1&payload.plus=a%20b', {
      method: 'GET',
    });
    expect(further.headers.link).toBe('</events/processed?limit=1&payload.plus=a%20b&cursor=2>; rel="next"');
  });
});

describe('numbers', () => {
  it('past 2^53 are counted and found by their own text', async () => {
    const { url } = await serviceHere({ COUNTED_PAYLOAD_PROPERTIES: 'n' });
    const numbers = ['9007199254740993', '9007199254740992', '1e400', '2e400', '1.0', '1', '-0', '0.10'];
    for (const n of numbers) await post(url, `{"userId":"u","eventType":"LOGIN","payload":{"n":${n}}}`);
    await expect.poll(async () => (await processed(url)).length).toBe(numbers.length);
    const found = async (value: string) => {
      const response = await fetch(`${url}/events/processed?payload.n=${value}`);
      return [...(await response.text()).matchAll(/"n":([^}]*)/g)].map(([, n]) => n);
    };
    for (const n of ['9007199254740993', '9007199254740992', '1e400', '2e400'])
      expect(await found(n)).toEqual([n]);
    expect(await found('1')).toEqual(['1.0', '1']);
    expect(await found('1.0')).toEqual(['1.0']);
    expect(await found('-0')).toEqual(['-0']);
    expect(await found('0.1')).toEqual(['0.10']);
    expect(await found('0.10')).toEqual(['0.10']);
    const stats = (await (await fetch(`${url}/events/stats`)).json()) as {
      topValues: { values: { value: string; events: number }[] }[];
    };
    const counts = stats.topValues[0]!.values.map(({ value, events }) => [value, events]).sort();
    expect(Object.fromEntries(counts)).toEqual({
      '9007199254740993': 1,
      '9007199254740992': 1,
      '1e400': 1,
      '2e400': 1,
      '1': 2,
      '0': 1,
      '0.1': 1,
    });
  });

  it('are found by what they were sent as and are counted as, and no other number is', () => {
    const path = ['a', '1', 'b'];
    const inPayload = (n: string) => `{"x":[1, "]"],"a":[ {"b":[]} , {"b":${n} }]}`;
    const number = fc.tuple(fc.bigInt(-(10n ** 20n), 10n ** 20n), fc.integer({ min: -400, max: 400 }));
    fc.assert(
      fc.property(number, ([digits, exponent]) => {
        const payload = inPayload(`${digits}e${exponent}`);
        const other = `${digits + 1n}e${exponent}`;
        const isFound = (wanted: string) => isScalarAt(JSON.parse(payload), path, () => payload, wanted);
        expect([isFound(`${digits}e${exponent}`), isFound(other)]).toEqual([true, false]);
        const counted = scalarAt(JSON.parse(payload), path, payload)!;
        expect(isFound(counted)).toBe(true);
      }),
    );
  });
});

describe('a compressed body', () => {
  const behind: [string, (text: string) => Buffer][] = [
    ['br', (text) => brotliCompressSync(text)],
    ['deflate', (text) => deflateSync(text)],
    ['zstd', (text) => zstdCompressSync(text)],
    ['gzip', (text) => gzipSync(text)],
  ];

  it.each(behind)(
    '%s is refused with anything behind it that would be dropped',
    async (encoding, compress) => {
      const { url } = await serviceHere();
      const send = async (tail: Buffer) => {
        const response = await fetch(`${url}/events/batch`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/x-ndjson', 'Content-Encoding': encoding },
          body: new Uint8Array(Buffer.concat([compress(lines(0)), tail])),
        });
        return {
          status: response.status,
          ...((await response.json()) as { success: boolean; accepted?: number }),
        };
      };
      expect(await send(Buffer.from(lines(20)))).toMatchObject({ success: false });
      const two = await send(compress(lines(10)));
      if (encoding === 'br' || encoding === 'deflate') expect(two).toMatchObject({ success: false });
      else expect(two).toMatchObject({ status: 201, accepted: 20 });
    },
  );

  it.each(['identity', 'GZIP', 'x-gzip', 'X-GZip', 'gzip, identity', ' gzip '])(
    'may be named %j',
    async (encoding) => {
      const { url } = await serviceHere();
      const body = JSON.stringify(EVENT);
      const response = await fetch(`${url}/events/generate`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Content-Encoding': encoding },
        body: encoding === 'identity' ? body : new Uint8Array(gzipSync(body)),
      });
      expect(response.status).toBe(201);
    },
  );
});

describe('Accept', () => {
  it.each([
    ['text/csv, application/json;q=0.1', 'text/csv'],
    ['application/json;q=0.1, text/csv', 'text/csv'],
    ['TEXT/CSV', 'text/csv'],
    ['application/x-ndjson;q=0, text/csv', 'text/csv'],
    ['text/csv;q=0', 'application/json'],
    ['application/json;q=0, application/x-ndjson', 'application/x-ndjson'],
    ['application/jsonl', 'application/x-ndjson'],
    ['application/ndjson', 'application/x-ndjson'],
    ['text/*', 'text/csv'],
    ['*/*', 'application/json'],
    ['application/xml', 'application/json'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'application/json'],
  ])('%s is answered with %s', async (accept, type) => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}/events/processed`, { headers: { accept } });
    expect(response.headers.get('content-type')).toContain(type);
  });
});

describe('a place the store does not reach', () => {
  it.each(['desc', 'asc'])('is a reset as the cursor of a list (%s)', async (order) => {
    const { url } = await serviceHere();
    await store(url, [EVENT]);
    const beyond = await fetch(`${url}/events/processed?order=${order}&cursor=99999999`);
    expect([beyond.status, beyond.headers.get('error-code')]).toEqual([410, 'cursor_reset']);
    expect(await beyond.json()).toMatchObject({ error: expect.stringContaining('reset') });
    const newest = (await fetch(`${url}/events/processed?limit=5`)).headers.get('event-cursor');
    expect((await fetch(`${url}/events/processed?cursor=${newest}`)).status).toBe(200);
  });

  it.each(['99999999', 'null', 'm00000000-7'])(
    'is a reset as Last-Event-ID %s, and what comes then is sent',
    async (id) => {
      const { url } = await serviceHere();
      await store(url, [EVENT]);
      const stream = await readStream(`${url}/events/stream`, { 'Last-Event-ID': id });
      onTestFinished(() => stream.close());
      await store(url, [{ ...EVENT, userId: 'next' }]);
      await expect.poll(() => stream.messages.some(({ data }) => data.includes('"next"'))).toBe(true);
      expect(stream.messages[0]!.event).toBe('reset');
    },
  );
});

describe('binary CloudEvents', () => {
  const headers = {
    'ce-specversion': '1.0',
    'ce-type': 'LOGIN',
    'ce-id': '1',
    'ce-source': '/s',
    'ce-subject': 'u',
  };
  const latin = (text: string) => Buffer.from(text).toString('latin1');

  it.each([
    ['without a content type', {}, 'u'],
    ['with another JSON type', { 'Content-Type': 'application/vnd.shop+json' }, 'u'],
    ['with a quoted value', { 'ce-subject': '"quoted%20user"' }, 'quoted user'],
    ['with escapes in a quoted value', { 'ce-subject': '"a\\"b\\\\"' }, 'a"b\\'],
    ['with UTF-8 as it is', { 'ce-subject': latin('Jürgen 50%') }, 'Jürgen 50%'],
    ['with UTF-8 and escapes', { 'ce-subject': latin('Jürgen %C3%A4 50%') }, 'Jürgen ä 50%'],
    ['with what is no UTF-8', { 'ce-subject': 'J\u00fcrgen %FC' }, 'Jürgen %FC'],
  ])('are taken %s', async (_what, more, userId) => {
    const { url } = await serviceHere(ACCEPTS_ALL);
    const sent = await sendRaw(url, '/cloudevents', { headers: { ...headers, ...more }, body: '{"a":1}' });
    expect(sent.status).toBe(201);
    expect(JSON.parse(sent.text).event).toMatchObject({ userId, payload: { a: 1 } });
  });

  it('are refused with a type that is not JSON', async () => {
    const { url } = await serviceHere();
    const sent = await sendRaw(url, '/cloudevents', {
      headers: { ...headers, 'Content-Type': 'text/xml' },
      body: '<a/>',
    });
    expect(sent.status).toBe(415);
  });

  it('are two where their sources differ, also under one UUID', async () => {
    const { url } = await serviceHere(ACCEPTS_ALL);
    const id = 'f47ac10b-58cc-4372-a567-0e02b2c3d479';
    for (const source of ['/one', '/two', '/one']) {
      await sendRaw(url, '/cloudevents', {
        headers: { ...headers, 'ce-id': id, 'ce-source': source, 'ce-subject': source },
      });
    }
    await sendRaw(url, '/cloudevents', { headers: { ...headers, 'ce-subject': 'last' } });
    await expect
      .poll(async () => (await processed(url)).map(({ userId }) => userId))
      .toEqual(['/one', '/two', 'last']);
  });
});

describe('ids of other producers', () => {
  it.each([101, 255])('can be looked up with %i characters', async (length) => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}/events/${encodeURIComponent('ü'.repeat(length))}`);
    expect([response.status, response.headers.get('error-code')]).toEqual([404, 'event_not_found']);
  });
});
