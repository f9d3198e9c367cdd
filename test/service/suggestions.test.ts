import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serviceHere, store } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

interface Suggestions {
  values: { value: string; events?: number }[];
  latestEvents: number | null;
}

async function suggested(url: string, query: string): Promise<Suggestions> {
  const response = await fetch(`${url}/events/suggestions?${query}`);
  expect(response.status).toBe(200);
  return (await response.json()) as Suggestions;
}

async function values(url: string, of: string, prefix: string, more = ''): Promise<string[]> {
  const query = `of=${encodeURIComponent(of)}&prefix=${encodeURIComponent(prefix)}${more}`;
  return (await suggested(url, query)).values.map(({ value }) => value);
}

const event = (userId: string, payload: object = {}, eventType = 'LOGIN') => ({ userId, eventType, payload });

describe.each(['', 'memory:'])('GET /events/suggestions (DATABASE_URL=%s)', (DATABASE_URL) => {
  const start = async (env: Record<string, string> = {}) =>
    (await serviceHere({ ...env, ...(DATABASE_URL && { DATABASE_URL }) })).url;

  it('leaves out what no filter reaches, however long it is, and more of one event than anybody can use', async () => {
    const url = await start({ MAX_BODY_BYTES: '1000000' });
    const many = Object.fromEntries(Array.from({ length: 30_000 }, (_, at) => [`a${at}`, 1]));
    await store(url, [event('u', { ['k'.repeat(300_000)]: many, ['l'.repeat(255)]: 1 }), event('u', many)]);
    const found = await suggested(url, 'of=property&prefix=&limit=100');
    expect(found.values).toHaveLength(100);
    expect(await values(url, 'property', 'k')).toEqual([]);
    expect(await values(url, 'property', 'l')).toEqual(['l'.repeat(255)]);
    expect(await values(url, 'property', 'a999')).toEqual(['a999']);
  });

  it('offers the users whose ids begin like that, whatever else is in them', async () => {
    const url = await start();
    const users = [
      'user-10',
      'user-1',
      'User-1',
      'us%er',
      'us_er',
      'us\\er',
      '😀a',
      '😀b',
      '🚀',
      'user-2',
      'user-1',
    ];
    await store(
      url,
      users.map((user) => event(user)),
    );
    expect(await suggested(url, 'of=userId&prefix=user-')).toEqual({
      values: [{ value: 'user-1' }, { value: 'user-10' }, { value: 'user-2' }],
      latestEvents: null,
    });
    expect(await values(url, 'userId', 'user-', '&limit=2')).toEqual(['user-1', 'user-10']);
    expect(await values(url, 'userId', 'user-11')).toEqual([]);
    expect(await values(url, 'userId', 'U')).toEqual(['User-1']);
    expect(await values(url, 'userId', 'us%')).toEqual(['us%er']);
    expect(await values(url, 'userId', 'us_')).toEqual(['us_er']);
    expect(await values(url, 'userId', 'us\\')).toEqual(['us\\er']);
    expect(await values(url, 'userId', '😀')).toEqual(['😀a', '😀b']);
    expect(await values(url, 'userId', '')).toEqual([
      'User-1',
      'us%er',
      'us\\er',
      'us_er',
      'user-1',
      'user-10',
      'user-2',
      '😀a',
      '😀b',
      '🚀',
    ]);
    // Half a character is none.
    expect((await suggested(url, 'of=userId&prefix=%ED%A0%BD')).values).toEqual([]);
    expect((await suggested(url, 'of=userId&prefix=%F0%9F')).values).toEqual([]);
  });

  it('offers the types that were stored', async () => {
    const url = await start({ UNKNOWN_EVENT_TYPES: 'accept' });
    await store(
      url,
      ['LOGIN', 'LOGOUT', 'order', 'LOGIN'].map((type) => event('u', {}, type)),
    );
    expect(await values(url, 'eventType', 'LOG')).toEqual(['LOGIN', 'LOGOUT']);
    expect(await values(url, 'eventType', '')).toEqual(['LOGIN', 'LOGOUT', 'order']);
  });

  it('offers all values of a member that is counted, and the latest of another', async () => {
    const url = await start({ COUNTED_PAYLOAD_PROPERTIES: 'device,cart.n' });
    const payload = (device: string, n: number, color: unknown) => ({ device, cart: { n }, color });
    await store(url, [
      event('u', payload('phone', 1, 'red')),
      event('u', payload('pad', 1.5, 'rose')),
      event('u', payload('phone', 12, 'rose')),
      event('u', payload('x'.repeat(256), 2, 'r\0')),
      event('u', payload('tv', 3, ['rust'])),
    ]);
    expect(await suggested(url, 'of=payload.device&prefix=p')).toEqual({
      values: [{ value: 'pad' }, { value: 'phone' }],
      latestEvents: null,
    });
    expect(await values(url, 'payload.device', 'x')).toEqual([]);
    expect(await values(url, 'payload.cart.n', '1')).toEqual(['1', '1.5', '12']);
    expect(await suggested(url, 'of=payload.color&prefix=r')).toEqual({
      values: [
        { value: 'rose', events: 2 },
        { value: 'red', events: 1 },
      ],
      latestEvents: 5,
    });
    expect(await values(url, 'payload.color.0', '')).toEqual(['rust']);
    expect(await values(url, 'payload.nothing', '')).toEqual([]);
  });

  it('offers names of members: those that were sent, then those that schemas describe', async () => {
    const folder = join(await tempFolder(), 'catalog');
    await mkdir(folder);
    const schema = {
      properties: { cart: { properties: { total: {}, price: {} } }, coupon: {}, tags: { type: 'array' } },
    };
    await writeFile(join(folder, 'ORDER.1.json'), JSON.stringify(schema));
    const url = await start({ EVENT_CATALOG: folder });
    await store(url, [
      event('u', { device: 'a', cart: { price: 1, items: [{ sku: 1 }] } }),
      event('u', { device: 'b', cart: { price: null, 'odd.name': 1 }, '': 1, empty: {} }),
      event('u', { device: 'b', [`c${'x'.repeat(255)}`]: 1 }),
    ]);
    expect(await suggested(url, 'of=property&prefix=c')).toEqual({
      values: [
        { value: 'cart.price', events: 2 },
        { value: 'cart.items', events: 1 },
        { value: 'cart.total', events: 0 },
        { value: 'coupon', events: 0 },
      ],
      latestEvents: 3,
    });
    expect(await values(url, 'property', '', '&limit=1')).toEqual(['device']);
    expect(await values(url, 'property', 'ta')).toEqual(['tags']);
  });

  it('looks at so many of the latest events and no more', async () => {
    const url = await start();
    await store(url, [event('u', { old: 'x' })]);
    await store(
      url,
      Array.from({ length: 1000 }, () => event('u', { a: 'y' })),
    );
    expect(await suggested(url, 'of=property')).toEqual({
      values: [{ value: 'a', events: 1000 }],
      latestEvents: 1000,
    });
    expect(await values(url, 'payload.old', '')).toEqual([]);
    await store(
      url,
      Array.from({ length: 6 }, () => event('u', { large: 'z'.repeat(400_000) })),
    );
    expect((await suggested(url, 'of=payload.a')).latestEvents).toBeLessThan(6);
  });

  it('has nothing to offer at first', async () => {
    const url = await start();
    expect(await suggested(url, 'of=userId')).toEqual({ values: [], latestEvents: null });
    expect(await suggested(url, 'of=property&prefix=a')).toEqual({ values: [], latestEvents: 0 });
  });
});

it.each([
  ['', 'of is required'],
  ['of=user', 'of must be userId, eventType, property or payload.MEMBER'],
  ['of=payload.', 'of must be'],
  ['of=payload.a..b', 'of must be'],
  ['of=userId&of=userId', 'of must be given once'],
  ['of=userId&prefix=%00', 'prefix must be 0 to 255 characters long, without NUL'],
  [`of=userId&prefix=${'x'.repeat(256)}`, 'prefix must be 0 to 255 characters long'],
  ['of=userId&limit=0', 'limit must be a whole number from 1 to 100'],
  ['of=userId&limit=101', 'limit must be'],
  ['of=userId&q=a', 'q is not a parameter'],
])('GET /events/suggestions?%s is answered with what is wrong', async (query, message) => {
  const { url } = await serviceHere();
  const response = await fetch(`${url}/events/suggestions?${query}`);
  expect([response.status, response.headers.get('error-code')]).toEqual([400, 'invalid_query']);
  const { errors } = (await response.json()) as { errors: string[] };
  expect(errors).toEqual([expect.stringContaining(message)]);
});
