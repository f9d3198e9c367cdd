import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { serviceHere, store } from '../support/service.ts';
import { followStream, openStreams, readStream, type StreamReader } from '../support/sse.ts';

/** Twelve events: users u0 to u2, two types, one an hour, a device each and a price inside an object. */
const EVENTS = Array.from({ length: 12 }, (_, at) => ({
  eventId: randomUUID(),
  userId: `u${at % 3}`,
  eventType: at % 2 === 0 ? 'LOGIN' : 'PRODUCT_VIEW',
  timestamp: new Date(Date.UTC(2024, 1, 14, at)).toISOString(),
  payload: {
    at,
    device: at < 4 ? 'phone' : 'tablet',
    cart: { price: at / 2, empty: at === 0 ? null : false },
  },
}));

async function serviceWithEvents(env: Record<string, string> = {}): Promise<string> {
  const { url } = await serviceHere(env);
  await store(url, EVENTS.slice(0, 7));
  await store(url, EVENTS.slice(7));
  return url;
}

async function found(url: string, query: string): Promise<number[]> {
  const response = await fetch(`${url}/events/processed?${query}`);
  expect(response.status).toBe(200);
  return ((await response.json()) as { payload: { at: number } }[]).map(({ payload }) => payload.at);
}

function nextOf({ headers }: Response): string | undefined {
  return /^<(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
}

describe('GET /events/processed with a query', () => {
  it.each([
    ['userId=u1', [1, 4, 7, 10]],
    ['userId=u1&order=desc', [10, 7, 4, 1]],
    ['userId=u1&eventType=LOGIN', [4, 10]],
    ['userId=nobody', []],
    ['eventType=LOGIN', [0, 2, 4, 6, 8, 10]],
    ['eventType=LOGIN&eventType=PRODUCT_VIEW&limit=3', [0, 1, 2]],
    ['eventType=LOGOUT', []],
    ['from=2024-02-14T03:00:00Z&to=2024-02-14T06:00:00Z', [3, 4, 5]],
    ['from=2024-02-14T03:30:00Z&to=2024-02-14T05:00:00.001Z', [4, 5]],
    ['from=2024-02-14T04:00:00%2B01:00&to=2024-02-14T05:00:00 01:00', [3]],
    ['from=2024-02-15', []],
    ['to=2024-02-14T02:00:00Z&order=desc', [1, 0]],
    ['payload.device=phone', [0, 1, 2, 3]],
    ['payload.cart.price=1.5', [3]],
    ['payload.cart.price=1.50', []],
    ['payload.cart.empty=null', [0]],
    ['payload.cart.empty=false&userId=u0', [3, 6, 9]],
    ['payload.cart=x', []],
    ['payload.device.length=5', []],
    ['payload.device=tablet&eventType=LOGIN&from=2024-02-14T07:00:00Z', [8, 10]],
  ])('%s', async (query, expected) => {
    expect(await found(await serviceWithEvents(), query)).toEqual(expected);
  });

  it.each(['', '&order=desc', '&userId=u1', '&payload.device=tablet&order=desc', '&eventType=LOGIN'])(
    'gives pages that follow one another without gap or repetition while events arrive%s',
    async (query) => {
      const url = await serviceWithEvents();
      const whole = await found(url, `limit=100${query}`);
      const pages: number[] = [];
      let address: string | undefined = `/events/processed?limit=2${query}`;
      let late = 0;
      while (address !== undefined) {
        const response: Response = await fetch(url + address);
        const events = (await response.json()) as { payload: { at: number } }[];
        expect(events.length).toBeLessThanOrEqual(2);
        pages.push(...events.map(({ payload }) => payload.at));
        if (late++ < 3) await store(url, [{ userId: 'late', eventType: 'LOGOUT', payload: { at: 100 } }]);
        address = nextOf(response);
      }
      expect(pages.filter((at) => at !== 100)).toEqual(whole);
    },
  );

  it('ends without a next page exactly when there is none', async () => {
    const url = await serviceWithEvents();
    const last = await fetch(`${url}/events/processed?limit=12`);
    expect(nextOf(last)).toBeUndefined();
    const more = await fetch(`${url}/events/processed?limit=11`);
    expect(nextOf(more)).toBeDefined();
  });

  it('says how far it has looked, for the stream to go on from', async () => {
    const url = await serviceWithEvents();
    const cursor = (await fetch(`${url}/events/processed?userId=nobody`)).headers.get('event-cursor');
    const stream = await readStream(`${url}/events/stream?after=${cursor}`);
    onTestFinished(() => stream.close());
    await store(url, [{ userId: 'u', eventType: 'LOGIN', payload: { at: 99 } }]);
    await expect.poll(() => stream.messages.map(({ data }) => JSON.parse(data).payload.at)).toEqual([99]);
  });

  it.each([
    ['user=u1', 'user is not a parameter'],
    ['userId=', 'userId must be'],
    ['userId=a&userId=b', 'userId must be given once'],
    ['eventType=', 'eventType must be'],
    ['from=yesterday', 'from must be a date'],
    ['from=2024-02-30', 'from must be a date'],
    ['order=up', 'order must be one of stored, -stored, time, -time, asc, desc'],
    ['limit=0', 'limit must be a whole number from 1 to 1000'],
    ['limit=1e2', 'limit must be'],
    ['limit=1001', 'limit must be'],
    ['cursor=abc', 'cursor must be of the Link'],
    ['payload.=1', 'payload. is not a parameter'],
    [Array.from({ length: 11 }, (_, at) => `payload.a${at}=1`).join('&'), 'at most 10'],
  ])('refuses %s', async (query, message) => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}/events/processed?${query}`);
    expect(response.status).toBe(400);
    expect(response.headers.get('error-code')).toBe('invalid_query');
    expect(((await response.json()) as { errors: string[] }).errors.join()).toContain(message);
  });

  it('streams everything that is meant as lines or as CSV', async () => {
    const url = await serviceWithEvents();
    const many = Array.from({ length: 2500 }, (_, at) => ({
      userId: 'many',
      eventType: 'LOGOUT',
      payload: { at },
    }));
    await store(url, many);
    const lines = await fetch(`${url}/events/processed?userId=many`, {
      headers: { Accept: 'application/x-ndjson' },
    });
    expect((await lines.text()).trimEnd().split('\n')).toHaveLength(2500);
    const backwards = await fetch(`${url}/events/processed?userId=many&order=desc`, {
      headers: { Accept: 'application/x-ndjson' },
    });
    const ats = (await backwards.text())
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { payload: { at: number } }).payload.at);
    expect(ats).toEqual(many.map(({ payload }) => payload.at).reverse());
    const csv = await fetch(`${url}/events/processed?payload.at=7`, { headers: { Accept: 'text/csv' } });
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    const rows = (await csv.text()).trimEnd().split('\r\n');
    expect(rows[0]).toBe('eventId,userId,eventType,timestamp,payload');
    expect(rows.slice(1).map((row) => row.split(',')[1])).toEqual(['u1', 'many']);
    const page = await fetch(`${url}/events/processed?userId=many&limit=10`, {
      headers: { Accept: 'text/csv' },
    });
    expect((await page.text()).trimEnd().split('\r\n')).toHaveLength(11);
    expect(nextOf(page)).toBeDefined();
  });

  it('lets no spreadsheet take what a user sent for a formula', async () => {
    const { url } = await serviceHere();
    const userIds = ['=1+1', '+1', '-1', '@a', '\t=1', '\n=1', ' =1', 'quote"d', 'a,b', '＝1', 'plain'];
    await store(
      url,
      userIds.map((userId) => ({ userId, eventType: 'LOGIN', payload: { text: 'a\n"b"' } })),
    );
    const csv = await fetch(`${url}/events/processed`, { headers: { Accept: 'text/csv' } });
    const text = await csv.text();
    const cells = [...text.matchAll(/^[^,]{36},("(?:[^"]|"")*"|[^,]*),LOGIN/gm)].map(([, cell]) => cell!);
    expect(cells).toHaveLength(userIds.length);
    const values = cells.map((cell) => cell.replace(/^"(.*)"$/s, '$1').replaceAll('""', '"'));
    expect(values.filter((value) => /^\s*[=+\-@＝]/.test(value))).toEqual([]);
    expect(values).toContain('quote"d');
    expect(text).toContain('"{""text"":""a\\n\\""b\\""""}"');
  });

  it('works on events in memory, whose cursors end with the process', async () => {
    const { url } = await serviceHere({ DATABASE_URL: 'memory:' });
    await store(url, EVENTS);
    const page = await fetch(`${url}/events/processed?limit=5`);
    const next = nextOf(page)!;
    expect(next).toMatch(/cursor=m[0-9a-f]{8}-5$/);
    expect(((await (await fetch(url + next)).json()) as object[]).length).toBe(5);
  });
});

describe('GET /events/stream', () => {
  const ats = ({ messages }: StreamReader) =>
    messages.map(({ data }) => JSON.parse(data).payload.at as number);

  it('shows what is stored from now on, and only what is meant', async () => {
    const url = await serviceWithEvents();
    const all = await readStream(`${url}/events/stream`);
    const some = await readStream(`${url}/events/stream?userId=u1&payload.device=tablet`);
    onTestFinished(() => {
      all.close();
      some.close();
    });
    await store(
      url,
      EVENTS.map((event) => ({ ...event, eventId: randomUUID() })),
    );
    await expect.poll(() => ats(all)).toEqual(EVENTS.map(({ payload }) => payload.at));
    await expect.poll(() => ats(some)).toEqual([4, 7, 10]);
    expect(all.messages.every(({ id, event }) => id !== undefined && event === undefined)).toBe(true);
  });

  it('goes on where a reader left off, from the store, without gap or repetition', async () => {
    const url = await serviceWithEvents();
    const first = await readStream(`${url}/events/stream?after=0`);
    await expect.poll(() => first.messages.length).toBe(12);
    first.close();
    const id = first.messages[4]!.id!;
    const more = Array.from({ length: 1200 }, (_, at) => ({
      userId: 'u',
      eventType: 'LOGIN',
      payload: { at: 100 + at },
    }));
    await store(url, more);
    const again = await readStream(`${url}/events/stream?after=0`, { 'Last-Event-ID': id });
    onTestFinished(() => again.close());
    await store(url, [{ userId: 'u', eventType: 'LOGIN', payload: { at: 9999 } }]);
    await expect.poll(() => again.messages.length).toBe(7 + 1200 + 1);
    expect(ats(again)).toEqual([5, 6, 7, 8, 9, 10, 11, ...more.map(({ payload }) => payload.at), 9999]);
  });

  it('moves the id of a reader on past what it does not mean', async () => {
    const url = await serviceWithEvents();
    const stream = await readStream(`${url}/events/stream?userId=nobody&after=0`);
    onTestFinished(() => stream.close());
    await expect.poll(() => stream.lastId).toMatch(/^12\.[0-9a-f]{8}$/);
    expect(stream.messages).toEqual([]);
  });

  it.each([
    ['with an event', ''],
    ['without one', '&userId=nobody'],
  ])(
    'tells a reader that comes back, with an id given out %s, that its events are gone',
    async (_, filter) => {
      const before = await serviceWithEvents();
      const { url: restored } = await serviceHere();
      await store(restored, EVENTS.toReversed());
      const stream = await readStream(`${before}/events/stream?after=0${filter}`);
      onTestFinished(() => stream.close());
      await expect.poll(() => stream.lastId).toMatch(/^12\./);
      const id = stream.lastId!;
      const [same, other] = await Promise.all(
        [before, restored].map((url) => readStream(`${url}/events/stream`, { 'Last-Event-ID': id })),
      );
      onTestFinished(() => {
        same!.close();
        other!.close();
      });
      await store(before, [{ userId: 'next', eventType: 'LOGIN', payload: { at: 13 } }]);
      await expect.poll(() => ats(same!)).toEqual([13]);
      expect(same!.messages[0]!.event).toBeUndefined();
      await expect.poll(() => other!.messages.length).toBe(13);
      expect(other!.messages[0]!.event).toBe('reset');
    },
  );

  it('takes the Event-Cursor of a page, which says nothing of an event', async () => {
    const url = await serviceWithEvents();
    const page = await fetch(`${url}/events/processed?limit=5`);
    const stream = await readStream(`${url}/events/stream?after=${page.headers.get('event-cursor')}`);
    onTestFinished(() => stream.close());
    await expect.poll(() => stream.messages.length).toBe(7);
    expect(stream.messages.every(({ event }) => event === undefined)).toBe(true);
  });

  it('keeps every frame whole, whatever is in a payload', async () => {
    const { url } = await serviceHere();
    const stream = await readStream(`${url}/events/stream`);
    onTestFinished(() => stream.close());
    const response = await fetch(`${url}/events/generate`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"userId":"u","eventType":"LOGIN","payload":{\r\n"a":\r"x",\n\n"data: y":"\\n\\r"}}',
    });
    expect(response.status).toBe(201);
    await expect.poll(() => stream.messages.length).toBe(1);
    expect(JSON.parse(stream.messages[0]!.data).payload).toEqual({ a: 'x', 'data: y': '\n\r' });
  });

  it('tells a reader of a store in memory that is gone, and begins anew', async () => {
    const { url } = await serviceHere({ DATABASE_URL: 'memory:' });
    await store(url, EVENTS);
    const stream = await readStream(`${url}/events/stream`, { 'Last-Event-ID': 'm00000000-7' });
    onTestFinished(() => stream.close());
    await expect.poll(() => stream.messages.length).toBe(13);
    expect(stream.messages[0]!.event).toBe('reset');
  });

  it.each([
    [{}, '?after=x', 'after must be'],
    [{}, '?from=2024-01-01', 'from is not a parameter'],
  ])('refuses %j %s', async (headers, query, message) => {
    const { url } = await serviceHere();
    await expect(
      readStream(`${url}/events/stream${query}`, headers as Record<string, string>),
    ).rejects.toThrow(message);
  });

  it('takes as many readers as allowed, and the next when one has left', async () => {
    const { url } = await serviceHere({ MAX_STREAMS: '2' });
    const streams = [await readStream(`${url}/events/stream`), await readStream(`${url}/events/stream`)];
    await expect(readStream(`${url}/events/stream`)).rejects.toThrow('503');
    streams[0]!.close();
    await expect
      .poll(() =>
        readStream(`${url}/events/stream`).then(
          (stream) => stream.close(),
          (error: Error) => error.message,
        ),
      )
      .toBeUndefined();
    streams[1]!.close();
  });

  it('has no head alone, and forgets who left before it began', async () => {
    const { url } = await serviceHere();
    expect((await fetch(`${url}/events/stream`, { method: 'HEAD' })).status).toBe(405);
    for (let reader = 0; reader < 20; reader++) {
      const { hostname, port } = new URL(url);
      const socket = connect(Number(port), hostname);
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.end('GET /events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
      socket.destroySoon();
    }
    await expect.poll(() => openStreams(url)).toBe(0);
  });

  it('ends when the service stops', async () => {
    const service = await serviceHere();
    const stream = await readStream(`${service.url}/events/stream`);
    const stopping = service.stop();
    await stream.ended;
    await stopping;
  });

  it('goes on after nobody has read for a while', async () => {
    const { url } = await serviceHere();
    for (const at of [1, 2]) {
      const stream = await readStream(`${url}/events/stream`);
      await store(url, [{ userId: 'u', eventType: 'LOGIN', payload: { at } }]);
      await expect.poll(() => ats(stream)).toEqual([at]);
      stream.close();
      await stream.ended;
      await store(url, [{ userId: 'u', eventType: 'LOGIN', payload: { at: -1 } }]);
    }
  });
});

describe('GET /events/stats', () => {
  const stats = async (url: string, query = '') => {
    const response = await fetch(`${url}/events/stats?${query}`);
    expect(response.status).toBe(200);
    return (await response.json()) as Record<string, unknown>;
  };

  it('counts by type, hour, day, user and value', async () => {
    const url = await serviceWithEvents();
    await store(url, EVENTS.slice(0, 3));
    expect(
      await stats(url, 'from=2024-02-14T01:00:00Z&to=2024-02-14T03:00:00Z&day=2024-02-14&top=2'),
    ).toEqual({
      total: 12,
      totals: [
        {
          eventType: 'LOGIN',
          events: 6,
          firstHour: '2024-02-14T00:00:00.000Z',
          lastHour: '2024-02-14T10:00:00.000Z',
        },
        {
          eventType: 'PRODUCT_VIEW',
          events: 6,
          firstHour: '2024-02-14T01:00:00.000Z',
          lastHour: '2024-02-14T11:00:00.000Z',
        },
      ],
      otherTypes: { types: 0, events: 0 },
      interval: 'hour',
      counts: [
        { start: '2024-02-14T01:00:00.000Z', events: { PRODUCT_VIEW: 1 }, others: 0 },
        { start: '2024-02-14T02:00:00.000Z', events: { LOGIN: 1 }, others: 0 },
      ],
      activeUsers: [{ day: '2024-02-14', users: 3 }],
      keptFrom: null,
      day: '2024-02-14',
      topUsers: [
        { value: 'u0', events: 4 },
        { value: 'u1', events: 4 },
      ],
      topValues: [
        { member: 'productId', values: [] },
        {
          member: 'device',
          values: [
            { value: 'tablet', events: 8 },
            { value: 'phone', events: 4 },
          ],
        },
      ],
    });
    expect(await stats(url, 'interval=day&from=2024-02-01&to=2024-03-01')).toMatchObject({
      counts: [{ start: '2024-02-14T00:00:00.000Z', events: { LOGIN: 6, PRODUCT_VIEW: 6 } }],
    });
  });

  it('lists the types with most events, and adds up the others, however many a caller invents', async () => {
    const clock = { ...systemClock, date: () => new Date('2024-02-14T05:30:00Z') };
    const { url } = await serviceHere({ UNKNOWN_EVENT_TYPES: 'accept' }, { clock });
    const timestamp = '2024-02-14T05:00:00Z';
    const invented = Array.from({ length: 1200 }, (_, at) => ({
      userId: 'u',
      eventType: `a${at}`,
      timestamp,
    }));
    const known = { userId: 'u', eventType: 'z', timestamp };
    await store(url, [...invented, known, known]);
    const answer = await stats(url);
    expect(answer).toMatchObject({ total: 1202, otherTypes: { types: 201, events: 201 } });
    const totals = answer.totals as { eventType: string; events: number }[];
    expect(totals).toHaveLength(1000);
    expect(totals.at(-1)).toMatchObject({ eventType: 'z', events: 2 });
    const [hour] = answer.counts as { events: Record<string, number>; others: number }[];
    expect([Object.keys(hour!.events).length, hour!.events.z, hour!.others]).toEqual([1000, 2, 201]);
  });

  it('goes back a day by the hour, or 30 days, where it is not told', async () => {
    const now = new Date('2024-02-14T05:30:00Z');
    const { url } = await serviceHere(
      { COUNTED_PAYLOAD_PROPERTIES: 'cart.empty' },
      { clock: { ...systemClock, date: () => now } },
    );
    await store(url, [
      ...EVENTS,
      { userId: 'old', eventType: 'LOGIN', timestamp: '2024-02-13T06:00:00Z' },
      { userId: 'older', eventType: 'LOGIN', timestamp: '2024-02-13T05:59:59Z' },
      { userId: 'oldest', eventType: 'LOGIN', timestamp: '2024-01-16T00:00:00Z' },
    ]);
    const hours = await stats(url);
    expect((hours.counts as { start: string }[])[0]!.start).toBe('2024-02-13T06:00:00.000Z');
    expect(hours.counts).toHaveLength(7);
    expect(hours).toMatchObject({
      day: '2024-02-14',
      topValues: [
        {
          member: 'cart.empty',
          values: [
            { value: 'false', events: 11 },
            { value: 'null', events: 1 },
          ],
        },
      ],
    });
    expect(((await stats(url, 'interval=day')).counts as object[]).length).toBe(3);
  });

  it.each([
    ['interval=week', 'interval must be one of hour, day'],
    ['from=2024-01-02&to=2024-01-01', 'from must be before to'],
    ['from=2023-01-01&to=2024-01-01', 'there may be at most 1000 hours between from and to'],
    ['top=0', 'top must be'],
    ['userId=a', 'userId is not a parameter'],
  ])('refuses %s', async (query, message) => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}/events/stats?${query}`);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { errors: string[] }).errors.join()).toContain(message);
  });

  it('counts no value that is too long or cannot be kept', async () => {
    const { url } = await serviceHere();
    const devices = ['x'.repeat(256), '\u0000', '\ud800', ['phone'], { a: 1 }, 7, true, 'ok'];
    await store(
      url,
      devices.map((device) => ({ userId: 'u', eventType: 'LOGIN', payload: { device } })),
    );
    const { topValues } = (await stats(url)) as { topValues: { values: { value: string }[] }[] };
    expect(topValues[1]!.values.map(({ value }) => value)).toEqual(['7', 'ok', 'true']);
  });
});

describe('GET /consumer-groups', () => {
  it('shows how far each partition is processed', async () => {
    const url = await serviceWithEvents();
    await store(url, EVENTS.slice(0, 2));
    const { groups } = (await (await fetch(`${url}/consumer-groups`)).json()) as { groups: object[] };
    expect(groups).toEqual([
      {
        group: 'user-activity-consumer-group',
        topic: 'user-activity-events',
        logReachable: true,
        members: [{ id: expect.any(String), host: hostname(), partitions: [0] }],
        partitions: [
          {
            partition: 0,
            position: '12',
            end: '12',
            lag: 0,
            oldestWaiting: null,
            heldBack: 0,
            stored: 12,
            duplicates: 0,
            deadLettered: 0,
            expired: 0,
            lost: 0,
            rewound: 0,
            unaccounted: 0,
          },
        ],
      },
    ]);
  });
});

describe('readers that do not read', () => {
  it('are cut, which costs others nothing; who has nothing to read is not', async () => {
    const { url } = await serviceHere({ STREAM_TIMEOUT_MS: '1000' });
    const { hostname, port } = new URL(url);
    const idle = await readStream(`${url}/events/stream?userId=nobody`);
    const reader = await followStream(`${url}/events/stream`);
    onTestFinished(() => {
      idle.close();
      reader.close();
    });
    const stalled = connect(Number(port), hostname);
    onTestFinished(() => void stalled.destroy());
    stalled.write('GET /events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await new Promise((resolve) => stalled.once('data', resolve));
    stalled.pause();
    const large = Array.from({ length: 40 }, (_, at) => ({
      userId: 'u',
      eventType: 'LOGIN',
      payload: { at, text: 'x'.repeat(500_000) },
    }));
    for (const event of large) await store(url, [event]);
    await expect.poll(() => reader.messages.length).toBe(40);
    await expect.poll(() => openStreams(url)).toBe(2);
    await store(url, [{ userId: 'nobody', eventType: 'LOGIN' }]);
    await expect.poll(() => idle.messages.length).toBe(1);
  });
});
