import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { processed, serviceHere } from '../support/service.ts';

const EVENT = { userId: 'u', eventType: 'LOGIN', payload: { text: 'grün' } };
const COMPRESSIONS: [string, (bytes: Buffer) => Buffer][] = [
  ['gzip', gzipSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
  ['deflate', deflateSync],
];

function send(
  url: string,
  body: string | Buffer,
  { path = '/events/generate', type = 'application/json', encoding = '' } = {},
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': type, ...(encoding ? { 'Content-Encoding': encoding } : {}) },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
}

describe('a compressed body', () => {
  it.each(COMPRESSIONS)('is taken as %s, alone and in batches', async (encoding, compress) => {
    const { url } = await serviceHere();
    const one = await send(url, compress(Buffer.from(JSON.stringify(EVENT))), { encoding });
    expect(one.status).toBe(201);
    const batch = compress(Buffer.from(JSON.stringify([EVENT, EVENT])));
    const many = await send(url, batch, { path: '/events/batch', encoding });
    expect(many.status).toBe(201);
    await expect.poll(() => processed(url)).toMatchObject([EVENT, EVENT, EVENT]);
  });

  it.each(COMPRESSIONS)(
    'that inflates to more than is allowed is refused: %s',
    async (encoding, compress) => {
      const { url } = await serviceHere({ MAX_BATCH_BYTES: '5000000' });
      const bomb = compress(Buffer.alloc(20_000_000, ' '));
      const response = await send(url, bomb, { encoding });
      expect([response.status, response.headers.get('error-code')]).toEqual([413, 'body_too_large']);
      const batch = await send(url, bomb, { path: '/events/batch', type: 'application/x-ndjson', encoding });
      expect([batch.status, batch.headers.get('error-code')]).toEqual([413, 'batch_too_large']);
      expect((await fetch(`${url}/livez`)).status).toBe(200);
    },
  );

  it('that is none, or is cut, is a bad request', async () => {
    const { url } = await serviceHere();
    const cut = gzipSync(JSON.stringify(EVENT)).subarray(0, 20);
    for (const body of [Buffer.from('junk'), cut]) {
      expect((await send(url, body, { encoding: 'gzip' })).status).toBe(400);
      expect((await send(url, body, { path: '/events/batch', encoding: 'gzip' })).status).toBe(400);
    }
    expect((await send(url, '{}', { encoding: 'lz4' })).status).toBe(415);
  });
});

describe('a hostile event', () => {
  it.each<[string, string | Buffer]>([
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    ['a byte order mark', Buffer.from('\ufeff{"userId":"u","eventType":"LOGIN"}')],
    ['NUL in its userId', '{"userId":"\\u0000","eventType":"LOGIN"}'],
    ['half a surrogate pair', '{"userId":"\\udc00","eventType":"LOGIN"}'],
    ['a million open brackets', '['.repeat(900_000)],
    [
      'a payload of 63 levels',
      `{"userId":"u","eventType":"LOGIN","payload":{"a":${'['.repeat(62)}${']'.repeat(62)}}}`,
    ],
    [
      'a payload of 400 000 levels',
      `{"userId":"u","eventType":"LOGIN","payload":{"a":${'['.repeat(400_000)}${']'.repeat(400_000)}}}`,
    ],
    ['a prototype instead of members', '{"__proto__":{"userId":"u","eventType":"LOGIN"}}'],
  ])('with %s gets a 4xx, alone and in a batch', async (_what, body) => {
    const { url } = await serviceHere();
    expect((await send(url, body)).status).toBe(400);
    const line = await send(url, body, { path: '/events/batch', type: 'application/x-ndjson' });
    expect(line.status).toBe(400);
    expect((await send(url, JSON.stringify(EVENT))).status).toBe(201);
  });

  it.each([
    ['deep arrays', `{"a":${'['.repeat(61)}${']'.repeat(61)}}`],
    ['100 000 members', `{${Array.from({ length: 60_000 }, (_, at) => `"k${at}":1`).join()}}`],
    ['numbers no double holds', '{"a":9007199254740993,"b":1e400,"c":-0,"d":1.0}'],
    ['NUL, half surrogates and the like in its text', '{"a":"\\u0000\\udc00\\ud800","b":"\u2028"}'],
    ['names that are given twice', '{"a":1,"a":2,"__proto__":{"x":1},"constructor":1}'],
    ['a megabyte of text', `{"a":"${'x'.repeat(900_000)}"}`],
  ])('with %s comes back byte for byte', async (_what, payload) => {
    const { url } = await serviceHere();
    const response = await send(url, `{"userId":"u","eventType":"LOGIN","payload":${payload}}`);
    expect(response.status).toBe(201);
    const text = async () => (await fetch(`${url}/events/processed`)).text();
    await expect.poll(async () => (await text()).endsWith(`"payload":${payload}}]`)).toBe(true);
  });

  it('of any kind is either refused, or comes back as it was', async () => {
    const { url } = await serviceHere({ UNKNOWN_EVENT_TYPES: 'accept' });
    const text = fc.string({ unit: 'binary', maxLength: 300 });
    const payload = fc
      .object({ maxDepth: 5, values: [fc.string({ unit: 'binary' }), fc.double(), fc.bigInt().map(Number)] })
      .map((value) => JSON.stringify(value));
    const sent = new Map<string, object>();
    await fc.assert(
      fc.asyncProperty(text, text, payload, async (userId, eventType, raw) => {
        const body = `{"userId":${JSON.stringify(userId)},"eventType":${JSON.stringify(eventType)},"payload":${raw}}`;
        const response = await send(url, body);
        const answer = (await response.json()) as { event: { eventId: string }; errors: string[] };
        if (response.status === 201) sent.set(answer.event.eventId, answer.event);
        else expect([response.status, answer.errors.length > 0]).toEqual([400, true]);
        const storable = [userId, eventType].every((one) => one !== '' && !one.includes('\u0000'));
        expect(response.status === 201).toBe(storable && userId.isWellFormed() && eventType.isWellFormed());
      }),
      { numRuns: 300 },
    );
    await expect.poll(async () => (await processed(url)).length).toBe(sent.size);
    for (const event of await processed(url)) expect(event).toEqual(sent.get(event.eventId));
  });
});
