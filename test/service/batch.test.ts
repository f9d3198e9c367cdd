import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { processed, serviceHere } from '../support/service.ts';

interface BatchAnswer {
  success: boolean;
  accepted: number;
  rejected: number;
  results: {
    index: number;
    status: number;
    eventId?: string;
    code?: string;
    retryable?: boolean;
    errors?: string[];
    duplicate?: string;
  }[];
}

function event(userId: string, more: object = {}): object {
  return { userId, eventType: 'LOGIN', payload: {}, ...more };
}

async function send(
  url: string,
  body: string,
  { type = 'application/json', query = '' } = {},
): Promise<{ status: number; headers: Headers; answer: BatchAnswer }> {
  const response = await fetch(`${url}/events/batch${query}`, {
    method: 'POST',
    headers: { 'Content-Type': type },
    body,
  });
  return {
    status: response.status,
    headers: response.headers,
    answer: (await response.json()) as BatchAnswer,
  };
}

describe('POST /events/batch', () => {
  it('takes a JSON array and answers for each event in order', async () => {
    const { url } = await serviceHere();
    const { status, answer } = await send(url, JSON.stringify(['a', 'b', 'c'].map((user) => event(user))));
    expect(status).toBe(201);
    expect(answer).toMatchObject({ success: true, accepted: 3, rejected: 0 });
    expect(answer.results.map(({ index, status }) => [index, status])).toEqual([
      [0, 201],
      [1, 201],
      [2, 201],
    ]);
    await expect
      .poll(async () => (await processed(url)).map(({ userId }) => userId))
      .toEqual(['a', 'b', 'c']);
    const stored = await processed(url);
    expect(stored.map(({ eventId }) => eventId)).toEqual(answer.results.map(({ eventId }) => eventId));
  });

  it.each(['application/x-ndjson', 'text/plain', 'text/plain;charset=UTF-8'])(
    'takes one event a line as %s',
    async (type) => {
      const { url } = await serviceHere();
      const lines = ['a', 'b'].map((user) => JSON.stringify(event(user))).join('\n');
      expect(await send(url, `${lines}\n`, { type })).toMatchObject({ status: 201, answer: { accepted: 2 } });
    },
  );

  it('answers 207 for a mix: what is wrong with one event does not touch its neighbours', async () => {
    const { url } = await serviceHere({ MAX_BODY_BYTES: '2000' });
    const elements = [
      JSON.stringify(event('good')),
      '{"userId":7}',
      'junk',
      JSON.stringify(event('large', { payload: { text: 'x'.repeat(3000) } })),
      JSON.stringify(event('late', { timestamp: '2020-01-02T03:04:05+01:00' })),
      JSON.stringify(event('never', { timestamp: 'yesterday' })),
    ];
    const { status, answer } = await send(url, `[${elements.join()}]`);
    expect(status).toBe(207);
    expect(answer).toMatchObject({ success: false, accepted: 2, rejected: 4 });
    expect(answer.results.map(({ status, code }) => [status, code])).toEqual([
      [201, undefined],
      [400, 'invalid_event'],
      [400, 'body_not_json'],
      [413, 'body_too_large'],
      [201, undefined],
      [400, 'invalid_event'],
    ]);
    expect(answer.results[1]).toMatchObject({ retryable: false });
    expect(answer.results[5]!.errors).toEqual([
      'timestamp must be an ISO 8601 date and time with a time zone',
    ]);
    await expect
      .poll(() => processed(url))
      .toMatchObject([{ userId: 'good' }, { userId: 'late', timestamp: '2020-01-02T02:04:05.000Z' }]);
  });

  it.each<[string, string, string]>([
    ['[]', 'application/json', 'batch_empty'],
    ['', 'application/x-ndjson', 'batch_empty'],
    ['{"userId":"u","eventType":"LOGIN"}', 'application/json', 'body_not_array'],
    ['[', 'application/json', 'body_incomplete'],
  ])('refuses %j as %s: %s', async (body, type, code) => {
    const { url } = await serviceHere();
    const { status, headers, answer } = await send(url, body, { type });
    expect([status, headers.get('error-code')]).toEqual([400, code]);
    expect(answer.success).toBe(false);
  });

  it('takes nothing when it cannot tell what its sender waits for', async () => {
    const { url } = await serviceHere();
    const { status, headers } = await send(url, JSON.stringify([event('a')]), { query: '?ack=soon' });
    expect([status, headers.get('error-code')]).toEqual([400, 'invalid_query']);
    await send(url, JSON.stringify([event('b')]));
    await expect.poll(async () => (await processed(url)).map(({ userId }) => userId)).toEqual(['b']);
  });

  it('answers 400 when none was taken', async () => {
    const { url } = await serviceHere();
    expect(await send(url, '[{},{}]')).toMatchObject({ status: 400, answer: { accepted: 0, rejected: 2 } });
  });

  it('takes what came before a body breaks off, and says where it broke', async () => {
    const { url } = await serviceHere();
    const { status, answer } = await send(url, `[${JSON.stringify(event('a'))},{"userId":`);
    expect(status).toBe(207);
    expect(answer.results[1]).toMatchObject({ index: 1, status: 400, code: 'body_incomplete' });
  });

  it('stops at its limits, says from which event on, and keeps what came before', async () => {
    const { url } = await serviceHere({ MAX_BATCH_EVENTS: '3' });
    const { status, answer } = await send(url, JSON.stringify(Array.from({ length: 10 }, () => event('u'))));
    expect(status).toBe(207);
    expect(answer.results.map(({ status, code }) => [status, code])).toEqual([
      ...Array.from({ length: 3 }, () => [201, undefined]),
      [413, 'batch_too_large'],
    ]);
  });

  it('is not read on when it is rubbish, tells the first thousand in detail, and keeps what was good', async () => {
    const { url } = await serviceHere();
    const elements = [
      event('good'),
      ...Array.from({ length: 1500 }, () => ({ nothing: 'of use' })),
      event('late'),
    ];
    const { status, answer } = await send(url, JSON.stringify(elements));
    expect([status, answer.accepted, answer.results.length]).toEqual([207, 1, 1002]);
    expect(answer.results[1000]).toMatchObject({
      status: 400,
      errors: [expect.any(String), expect.any(String)],
    });
    expect(answer.results[1001]).toMatchObject({ index: 1001, code: 'batch_abandoned', retryable: false });
    await expect.poll(() => processed(url)).toHaveLength(1);
  });

  it('is read on as long as one in ten is good', async () => {
    const { url } = await serviceHere();
    const elements = Array.from({ length: 2000 }, (_, at) => (at % 10 === 0 ? event('good') : {}));
    const { answer } = await send(url, JSON.stringify(elements));
    expect([answer.accepted, answer.rejected]).toEqual([200, 1800]);
  });

  it('can be sent again as a whole: events with ids are stored once', async () => {
    const { url } = await serviceHere();
    const ids = [randomUUID(), randomUUID()];
    const events = [...ids, ids[0]!].map((eventId) => event('u', { eventId }));
    const first = await send(url, JSON.stringify(events));
    expect(first.answer.results.map(({ eventId, duplicate }) => [eventId, duplicate])).toEqual([
      [ids[0], undefined],
      [ids[1], undefined],
      [ids[0], 'same'],
    ]);
    await expect
      .poll(async () => {
        const { status, answer } = await send(url, JSON.stringify(events), { query: '?ack=stored' });
        return [status, answer.results.map(({ duplicate }) => duplicate)];
      })
      .toEqual([201, ['same', 'same', 'same']]);
    expect((await processed(url)).map(({ eventId }) => eventId)).toEqual(ids);
  });
});
