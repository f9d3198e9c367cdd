import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { derivedUuid } from '../../src/events/event.ts';
import { callersUuid } from '../../src/events/event-ids.ts';
import { serviceHere } from '../support/service.ts';

/** Nothing is processed while the store is away. */
const NO_STORE = 'postgres://u:p@127.0.0.1:1/d';
const EVENT = { userId: 'alice', eventType: 'LOGIN', payload: { card: '4242' } };
const FORGED = { userId: 'x', eventType: 'LOGOUT', payload: {} };

interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

/** A service with two callers that may only send, and one that may only read. */
async function withCallers(env: Record<string, string> = {}) {
  const keys = ['shop', 'web'].map((name) => createKey({ name, scopes: ['write'] }));
  const reader = createKey({ name: 'reader', scopes: ['read'] });
  const API_KEYS = JSON.stringify([...keys, reader].map(({ entry }) => entry));
  return {
    ...(await startWith({ API_KEYS, ...env }, reader.key)),
    shop: keys[0]!.key,
    web: keys[1]!.key,
    API_KEYS,
    reader,
  };
}

async function startWith(env: Record<string, string>, readerKey: string) {
  const service = await serviceHere(env);
  const read = async <T>(path: string): Promise<T> =>
    (await (await fetch(`${service.url}${path}`, { headers: { 'X-API-Key': readerKey } })).json()) as T;
  const stored = () => read<{ eventId: string; userId: string }[]>('/events/processed');
  return { ...service, read, stored };
}

async function send(
  url: string,
  path: string,
  key: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-Key': key, ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const CLOUD = { 'Content-Type': 'application/cloudevents+json' };
const cloudEvent = (id: string, { userId, eventType, payload }: typeof EVENT | typeof FORGED) => ({
  specversion: '1.0',
  id,
  source: '/orders',
  type: eventType,
  subject: userId,
  data: payload,
});

/** How an id can be guessed, by route: what the first caller sends and what the other does. */
const routes: [
  name: string,
  sendAs: (url: string, key: string, event: typeof EVENT | typeof FORGED) => Promise<Answer>,
][] = [
  [
    'an eventId',
    (url, key, event) =>
      send(url, '/events/generate', key, { ...event, eventId: '0198c0de-0000-7000-8000-000000000001' }),
  ],
  [
    'an eventId in a batch',
    (url, key, event) =>
      send(url, '/events/batch', key, [{ ...event, eventId: '0198c0de-0000-7000-8000-000000000001' }]),
  ],
  [
    'an Idempotency-Key',
    (url, key, event) => send(url, '/events/generate', key, event, { 'Idempotency-Key': 'order-1' }),
  ],
  [
    'the source and id of a CloudEvent',
    (url, key, event) => send(url, '/cloudevents', key, cloudEvent('1', event), CLOUD),
  ],
  [
    'the UUID of a CloudEvent',
    (url, key, event) =>
      send(url, '/cloudevents', key, cloudEvent('f47ac10b-58cc-4372-a567-0e02b2c3d479', event), CLOUD),
  ],
  [
    'a messageId',
    (url, key, event) =>
      send(url, '/v1/track', key, {
        userId: event.userId,
        event: event.eventType,
        messageId: 'order-1',
        properties: event.payload,
      }),
  ],
  ['the content', (url, key, event) => send(url, '/events/batch?dedupe=content', key, [event])],
];

describe('of what another caller sent, one who sends', () => {
  it.each(routes)('learns nothing by %s, and both events are kept', async (_name, sendAs) => {
    const { url, shop, web, stored } = await withCallers();
    const first = await sendAs(url, shop, EVENT);
    const other = await sendAs(url, web, FORGED);
    expect([first.status, other.status]).toEqual([first.status, first.status]);
    expect(first.status).toBeLessThan(202);
    expect([other.text, other.headers.get('event-duplicate')]).toEqual([
      expect.not.stringContaining('4242'),
      null,
    ]);
    // Whose is whose stays so: the same again is a repeat.
    expect((await sendAs(url, shop, EVENT)).status).toBe(first.status);
    expect((await sendAs(url, web, FORGED)).status).toBe(first.status);
    await send(url, '/events/generate', shop, { userId: 'last', eventType: 'LOGIN' });
    await expect
      .poll(async () => (await stored()).map(({ userId }) => userId))
      .toEqual(['alice', 'x', 'last']);
  });

  it('is refused a second event under an id of its own, with no text of the first', async () => {
    const { url, shop } = await withCallers();
    for (const [name, sendAs] of routes) {
      if (name === 'the content') continue;
      await sendAs(url, shop, EVENT);
      const { text } = await sendAs(url, shop, FORGED);
      expect([name, text]).toEqual([name, expect.stringMatching(/id_conflict|its own id/)]);
      expect(text).not.toContain('4242');
    }
  });

  it('cannot take an id first that is derived for another: knowing the rule does not help', async () => {
    const { url, shop, web, stored } = await withCallers();
    const derived = [
      callersUuid('shop', 'idempotency-key', 'order-3'),
      derivedUuid('idempotency-key', 'shop', 'order-3'),
    ];
    for (const eventId of derived) await send(url, '/events/generate', web, { ...FORGED, eventId });
    const real = await send(url, '/events/generate', shop, EVENT, { 'Idempotency-Key': 'order-3' });
    expect([real.status, real.headers.get('event-duplicate')]).toEqual([201, null]);
    expect(JSON.parse(real.text).event).toMatchObject({ eventId: derived[0], userId: 'alice' });
    await expect.poll(async () => (await stored()).length).toBe(3);
  });
});

describe('a caller that sends again', () => {
  it.each(['sqlite', 'memory'])('is answered with its own first after a restart (%s)', async (kind) => {
    const first = await withCallers();
    const eventId = randomUUID();
    const mine = await send(first.url, '/events/generate', first.shop, { ...EVENT, eventId });
    await send(first.url, '/events/generate', first.web, { ...EVENT, eventId });
    await expect.poll(async () => (await first.stored()).length).toBe(2);
    await first.stop();
    const env = { API_KEYS: first.API_KEYS, DATA_DIR: first.folder };
    const again = await startWith(
      kind === 'memory' ? { ...env, DATABASE_URL: 'memory:' } : env,
      first.reader.key,
    );
    await expect.poll(async () => (await again.stored()).length).toBe(2);
    const answer = await send(again.url, '/events/generate', first.shop, { ...EVENT, eventId });
    expect([answer.headers.get('event-duplicate'), answer.text]).toEqual(['same', mine.text]);
    const other = await send(again.url, '/events/generate', first.shop, { ...FORGED, eventId });
    expect(other.status).toBe(409);
  });

  it('is one caller whichever of its keys it uses', async () => {
    const old = createKey({ name: 'shop', scopes: ['write'] });
    const next = createKey({ name: 'shop', scopes: ['write'] });
    const { url } = await serviceHere({ API_KEYS: JSON.stringify([old.entry, next.entry]) });
    const event = { ...EVENT, eventId: randomUUID() };
    const { text } = await send(url, '/events/generate', old.key, event);
    expect(await send(url, '/events/generate', next.key, event)).toMatchObject({ status: 201, text });
  });
});

describe('a record that was set aside', () => {
  it('is its caller’s when it is sent back, so that a repetition is found', async () => {
    const first = await withCallers({ UNKNOWN_EVENT_TYPES: 'accept', DATABASE_URL: NO_STORE });
    const eventId = randomUUID();
    const order = { ...EVENT, eventType: 'ORDER', eventId };
    const { text } = await send(first.url, '/events/generate', first.shop, order);
    await first.stop();
    const operator = createKey({ name: 'operator', scopes: ['admin'] });
    const keys = [...(JSON.parse(first.API_KEYS) as object[]), operator.entry];
    const API_KEYS = JSON.stringify(keys);
    const strict = await startWith({ API_KEYS, DATA_DIR: first.folder }, operator.key);
    const deadLetters = () => strict.read<{ deadLetters: object[] }>('/dead-letters');
    await expect.poll(async () => (await deadLetters()).deadLetters.length).toBe(1);
    await strict.stop();
    const again = await startWith(
      { API_KEYS, DATA_DIR: first.folder, UNKNOWN_EVENT_TYPES: 'accept' },
      operator.key,
    );
    await send(again.url, '/dead-letters/redrive', operator.key, { all: true });
    await expect.poll(async () => (await again.stored()).length).toBe(1);
    const repeated = await send(again.url, '/events/generate', first.shop, order);
    expect([repeated.headers.get('event-duplicate'), repeated.text]).toEqual(['same', text]);
    expect(
      (await send(again.url, '/events/generate', first.web, order)).headers.get('event-duplicate'),
    ).toBeNull();
  });
});

describe('an eventId that several callers chose', () => {
  it('shows the event of each, who sent it, and who else did', async () => {
    const { url, shop, web, read, stored } = await withCallers();
    const eventId = randomUUID();
    const one = await send(url, '/events/generate?ack=stored', shop, { ...EVENT, eventId });
    expect(one.headers.get('location')).toBe(`/events/${eventId}?caller=shop`);
    await send(url, '/events/generate', web, { ...FORGED, eventId });
    await expect.poll(async () => (await stored()).length).toBe(2);
    const any = await read<object>(`/events/${eventId}`);
    expect(any).toMatchObject({ caller: 'shop', callers: ['shop', 'web'], event: { userId: 'alice' } });
    const theirs = await read<object>(`/events/${eventId}?caller=web`);
    expect(theirs).toMatchObject({ state: 'stored', caller: 'web', event: { userId: 'x' } });
    expect(theirs).not.toHaveProperty('callers');
    expect(await read(`/events/${eventId}?caller=nobody`)).toMatchObject({ success: false });
  });
});

describe('Idempotency-Key', () => {
  it.each([
    ['/events/generate', EVENT],
    ['/events/batch', [EVENT, EVENT]],
    ['/v1/track', { userId: 'u', event: 'LOGIN' }],
    ['/v1/batch', { batch: [{ type: 'track', userId: 'u', event: 'LOGIN' }] }],
  ])('sent twice to %s stores once', async (path, body) => {
    const { url, shop, stored } = await withCallers();
    for (let time = 0; time < 3; time++) {
      expect((await send(url, path, shop, body, { 'Idempotency-Key': 'k' })).status).toBeLessThan(202);
    }
    await send(url, '/events/generate?ack=stored', shop, { userId: 'last', eventType: 'LOGIN' });
    await expect.poll(async () => (await stored()).at(-1)?.userId).toBe('last');
    expect(await stored()).toHaveLength(path === '/events/batch' ? 3 : 2);
  });

  it.each(['/events/batch', '/v1/track', '/v1/batch', '/cloudevents'])(
    'that is too long is refused at %s',
    async (path) => {
      const { url, shop } = await withCallers();
      const answer = await send(url, path, shop, path === '/events/batch' ? [EVENT] : { batch: [] }, {
        'Idempotency-Key': 'x'.repeat(256),
      });
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('Idempotency-Key')]);
    },
  );
});

describe('?dedupe=content', () => {
  it('stores a request once however often it comes, and what is equal in it as often as it is there', async () => {
    const { url, shop, stored } = await withCallers();
    const chunk = [EVENT, FORGED, EVENT];
    for (let time = 0; time < 3; time++) await send(url, '/events/batch?dedupe=content', shop, chunk);
    await send(url, '/events/generate', shop, { userId: 'last', eventType: 'LOGIN' });
    await expect.poll(async () => (await stored()).at(-1)?.userId).toBe('last');
    expect((await stored()).map(({ userId }) => userId)).toEqual(['alice', 'x', 'alice', 'last']);
  });

  it('is asked for in known words', async () => {
    const { url, shop } = await withCallers();
    const answer = await send(url, '/events/batch?dedupe=time', shop, [EVENT]);
    expect([answer.status, answer.headers.get('error-code')]).toEqual([400, 'invalid_query']);
  });
});
