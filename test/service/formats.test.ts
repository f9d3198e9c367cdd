import { randomUUID } from 'node:crypto';
import { Analytics } from '@segment/analytics-node';
import { CloudEvent, emitterFor, HTTP, httpTransport, Mode } from 'cloudevents';
import { describe, expect, it } from 'vitest';
import { processed, serviceHere } from '../support/service.ts';

const ACCEPTS_ALL = { UNKNOWN_EVENT_TYPES: 'accept' };

async function send(url: string, path: string, body: string | object, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, answer: (await response.json()) as never };
}

describe('CloudEvents', () => {
  const event = new CloudEvent({
    id: 'A234-1234',
    source: '/shop',
    type: 'com.example.order',
    subject: 'user-1',
    time: '2024-02-14T10:30:00.000Z',
    data: { total: 17, text: 'grün' },
  });

  it.each([
    ['structured', HTTP.structured],
    ['binary', HTTP.binary],
  ] as const)('are taken in %s form, as the official SDK writes them', async (_form, write) => {
    const { url } = await serviceHere(ACCEPTS_ALL);
    const { headers, body } = write(event);
    const answer = () =>
      fetch(`${url}/cloudevents?ack=stored`, {
        method: 'POST',
        headers: headers as Record<string, string>,
        body: body as string,
      });
    await expect.poll(async () => (await answer()).status).toBe(201);
    expect(await processed(url)).toEqual([
      {
        eventId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        userId: 'user-1',
        eventType: 'com.example.order',
        timestamp: '2024-02-14T10:30:00.000Z',
        payload: { total: 17, text: 'grün' },
        attributes: expect.objectContaining({ source: '/shop', id: 'A234-1234', subject: 'user-1' }),
      },
    ]);
  });

  it('are sent by its transport, and stored once however often and in whatever form they come', async () => {
    const { url } = await serviceHere(ACCEPTS_ALL);
    for (const mode of [Mode.BINARY, Mode.STRUCTURED, Mode.BINARY]) {
      await emitterFor(httpTransport(`${url}/cloudevents`), { mode })(event);
    }
    await expect.poll(async () => (await processed(url)).length).toBe(1);
  });

  it('are taken in batches, each answered for', async () => {
    const { url } = await serviceHere(ACCEPTS_ALL);
    const batch = [event.toJSON(), { ...event.toJSON(), id: 'other' }, { specversion: '0.3', id: 'x' }];
    const { status, answer } = await send(url, '/cloudevents', batch, {
      'Content-Type': 'application/cloudevents-batch+json; charset=UTF-8',
    });
    expect(status).toBe(207);
    expect(answer).toMatchObject({ accepted: 2, rejected: 1 });
  });

  it('keep numbers and member order of their data byte for byte', async () => {
    const { url } = await serviceHere(ACCEPTS_ALL);
    const data = '{"z":9007199254740993,"a":1.0}';
    const text = `{"specversion":"1.0","id":"1","source":"s","type":"t","userid":"u","data":${data}}`;
    await send(url, '/cloudevents', text, { 'Content-Type': 'application/cloudevents+json' });
    await expect
      .poll(async () => (await fetch(`${url}/events/processed`)).text())
      .toContain(`"payload":${data}`);
  });

  it('are refused with every reason', async () => {
    const { url } = await serviceHere(ACCEPTS_ALL);
    const type = { 'Content-Type': 'application/cloudevents+json' };
    const { status, answer } = await send(url, '/cloudevents', { data_base64: 'AA==' }, type);
    expect(status).toBe(400);
    expect(answer).toEqual({
      success: false,
      errors: [
        'specversion must be 1.0',
        'id is required and must be a string',
        'source is required and must be a string',
        'type is required and must be a string',
        'subject, or the extension attribute userid, is required: it is the userId',
        'data must be a JSON object',
      ],
    });
  });
});

describe('Segment', () => {
  it('is spoken: its own library delivers every kind of call', async () => {
    const { url } = await serviceHere(ACCEPTS_ALL);
    const analytics = new Analytics({ writeKey: 'anything', host: url, path: '/v1/batch', flushAt: 3 });
    analytics.identify({ userId: 'u1', traits: { plan: 'free' } });
    analytics.track({ userId: 'u1', event: 'Order Placed', properties: { total: 17 } });
    analytics.page({ anonymousId: 'a1', name: 'Home' });
    await analytics.flush({ close: true });
    await expect.poll(async () => (await processed(url)).length).toBe(3);
    expect(await processed(url)).toMatchObject([
      { userId: 'u1', eventType: 'identify', payload: { traits: { plan: 'free' } } },
      { userId: 'u1', eventType: 'Order Placed', payload: { properties: { total: 17 } } },
      { userId: 'a1', eventType: 'page', payload: { name: 'Home' } },
    ]);
  });

  it.each([
    ['track', { event: 'Clicked' }, 'Clicked'],
    ['identify', { traits: {} }, 'identify'],
    ['page', { name: 'Home' }, 'page'],
  ])('is taken one by one at /v1/%s, and stored once when sent again', async (kind, more, eventType) => {
    const { url } = await serviceHere(ACCEPTS_ALL);
    const message = { userId: 'u', messageId: 'ajs-17', timestamp: '2024-02-14T10:30:00Z', ...more };
    for (let time = 0; time < 2; time++) {
      const { status, answer } = await send(url, `/v1/${kind}`, message, { 'Content-Type': 'text/plain' });
      expect([status, answer]).toEqual([200, { success: true }]);
    }
    await expect
      .poll(() => processed(url))
      .toMatchObject([{ eventType, timestamp: '2024-02-14T10:30:00.000Z', payload: message }]);
  });

  it('is told what is wrong', async () => {
    const { url } = await serviceHere();
    const one = await send(url, '/v1/track', { event: 'Clicked' });
    expect([one.status, one.headers.get('error-code')]).toEqual([400, 'invalid_event']);
    const none = await send(url, '/v1/batch', { messages: [] });
    expect(none.answer).toEqual({
      success: false,
      errors: ['batch is required and must be an array of messages'],
      code: 'invalid_event',
      message: 'batch is required and must be an array of messages',
    });
    const mixed = await send(url, '/v1/batch', {
      batch: [{ type: 'track', event: 'LOGIN', userId: 'u' }, { type: 'track' }],
    });
    expect(mixed.status).toBe(400);
  });
});

describe('CloudEvents and Segment', () => {
  it('need a key where keys are needed', async () => {
    const { url } = await serviceHere({
      API_KEYS: JSON.stringify([{ name: 'a', sha256: '0'.repeat(64), scopes: ['write'] }]),
    });
    for (const path of ['/cloudevents', '/v1/track', '/v1/batch']) {
      expect((await send(url, path, { id: randomUUID() })).status).toBe(401);
    }
  });
});
