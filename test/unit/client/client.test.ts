import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Client, type ClientModule, type ClientOptions, loadClient } from '../../support/client.ts';
import { type Answer, ScriptedService } from '../../support/scripted-service.ts';
import { stopClock } from '../../support/stopped-clock.ts';

let Footfall: ClientModule['Footfall'];

beforeAll(async () => {
  ({ Footfall } = await loadClient());
});

/** A client on a stopped clock, the service it talks to, and what it says. */
async function clientOf(
  options: Partial<ClientOptions> = {},
): Promise<{ client: Client; service: ScriptedService; dropped: [number, string[]][]; errors: string[] }> {
  stopClock();
  const service = await ScriptedService.start();
  const dropped: [number, string[]][] = [];
  const errors: string[] = [];
  const client = new Footfall({
    url: service.url,
    onDropped: (events, reasons) => dropped.push([events.length, reasons]),
    onError: ({ message }) => errors.push(message),
    ...options,
  });
  return { client, service, dropped, errors };
}

/** Resolves when a condition holds; other than `expect.poll`, it does not move the stopped clock. */
async function until(holds: () => boolean): Promise<void> {
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  while (!holds()) {
    await new Promise(setImmediate);
    if (isOver) throw new Error(`This never came true: ${holds}`);
  }
}

/** Resolves when what timers have set off has happened, as far as it needs no answer. */
async function whatFollows(): Promise<void> {
  await new Promise(setImmediate);
}

describe("the client's ids", () => {
  it('are UUIDv7, in order, also within a millisecond and when the clock is set back', async () => {
    const { client } = await clientOf({ paused: true });
    const now = Date.UTC(2100, 0, 1);
    vi.setSystemTime(now);
    const ids: string[] = [];
    const track = () => ids.push(client.track('u', 'LOGIN'));
    // More than there is room for to count within one.
    for (let number = 0; number < 5000; number++) track();
    vi.setSystemTime(now - 3_600_000);
    track();
    vi.setSystemTime(now + 3_600_000);
    track();
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Number.parseInt(ids.at(-1)!.replace('-', '').slice(0, 12), 16)).toBe(now + 3_600_000);
  });

  it('need nothing that plain-http pages do not have', async () => {
    const { client } = await clientOf({ paused: true });
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
    expect(client.track('u', 'LOGIN')).toHaveLength(36);
    vi.unstubAllGlobals();
  });
});

describe('the client waits', () => {
  it.each<[Answer, atLeastMs: number, atMostMs: number]>([
    ['207 some to be retried', 100, 200],
    ['429', 100, 200],
    ['429 with Retry-After', 7000, 7000],
    ['500', 100, 200],
    ['503 with a date', 3_600_000, 3_600_000],
    ['401', 100, 200],
    ['404', 100, 200],
    ['of something else', 100, 200],
    ['without results', 100, 200],
    ['cut', 100, 200],
  ])('before it tries again after %s', async (answer, atLeastMs, atMostMs) => {
    const { client, service, errors, dropped } = await clientOf();
    const requests = vi.spyOn(globalThis, 'fetch');
    service.next.push(answer);
    const ids = [client.track('u', 'LOGIN'), client.track('u', 'LOGOUT')];
    const flushed = client.flush();
    await until(() => errors.length === 1);
    vi.advanceTimersByTime(atLeastMs - 1);
    await whatFollows();
    expect(requests).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(atMostMs - atLeastMs + 1);
    await flushed;
    expect(requests).toHaveBeenCalledTimes(2);
    expect([...service.stored.keys()].sort()).toEqual(ids);
    expect(dropped).toEqual([]);
  });

  it('longer and longer, up to half a minute, up to five where waiting alone does not help; at least half of that', async () => {
    const { client, service, errors } = await clientOf();
    const requests = vi.spyOn(globalThis, 'fetch');
    vi.spyOn(Math, 'random').mockReturnValue(0);
    service.answers = '500';
    client.track('u', 'LOGIN');
    void client.flush();
    let told = 0;
    for (const [answer, waits] of [
      ['500', [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000]],
      ['401', [15_000, 102_400, 150_000, 150_000]],
    ] as const) {
      for (const ms of waits) {
        await until(() => errors.length > told);
        told = errors.length;
        // Of the next request.
        service.answers = answer;
        vi.advanceTimersByTime(ms - 1);
        await whatFollows();
        expect(requests).toHaveBeenCalledTimes(told);
        vi.advanceTimersByTime(1);
      }
    }
  });
});

describe('the client drops, and says so', () => {
  it('what cannot be written as JSON, and sends the rest', async () => {
    const { client, service, dropped } = await clientOf();
    const circular: Record<string, unknown> = {};
    circular.itself = circular;
    const payloads = [
      circular,
      { total: 1n },
      {
        toJSON() {
          throw new Error('not today');
        },
      },
      {
        toJSON() {
          throw null;
        },
      },
    ];
    for (const payload of payloads) client.track('u', 'LOGIN', payload);
    const id = client.track('u', 'LOGOUT');
    await client.flush();
    const reasons = dropped.flatMap(([, why]) => why);
    expect(reasons).toEqual([
      expect.stringMatching(/^it cannot be written as JSON: .*circular/),
      expect.stringMatching(/^it cannot be written as JSON: .*BigInt/),
      'it cannot be written as JSON: not today',
      'it cannot be written as JSON: unknown',
    ]);
    expect(service.stored.has(id)).toBe(true);
    expect(client.queued).toBe(0);
  });

  it.each<Answer>(['400 each', '400', '413'])('an event that the service refuses: %s', async (answer) => {
    const { client, service, dropped } = await clientOf();
    service.next.push(answer);
    client.track('u', 'LOGIN');
    await client.flush();
    expect([dropped.length, dropped[0]?.[0], client.queued, service.stored.size]).toEqual([1, 1, 0, 0]);
  });

  it('an event whose id is taken by another, for good', async () => {
    const { client, service, dropped } = await clientOf();
    service.next.push('207 some in conflict');
    for (let number = 0; number < 3; number++) client.track('u', 'LOGIN', { number });
    await client.flush();
    expect(dropped).toEqual([[1, ['refused: id_conflict']]]);
    expect([client.queued, service.requests.length]).toEqual([0, 1]);
  });

  it.each([
    ['events', { maxQueued: 1 }],
    // Each of its letters is two bytes.
    ['bytes', { maxQueuedBytes: 2000 }],
  ])('what there is no room for, in %s', async (_what, limits) => {
    const dropped: string[] = [];
    const onDropped = (events: { eventId: string }[]) =>
      dropped.push(...events.map(({ eventId }) => eventId));
    const { client } = await clientOf({ paused: true, onDropped, ...limits });
    client.track('u', 'LOGIN', { text: 'é'.repeat(700) });
    const second = client.track('u', 'LOGIN', { text: 'é'.repeat(700) });
    expect([client.queued, dropped]).toEqual([1, [second]]);
  });

  it('even if the listener throws', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    const { client, service } = await clientOf({
      onDropped() {
        throw new Error('a listener of little use');
      },
      onError() {
        throw new Error('another');
      },
    });
    service.next.push('207 some refused', 'cut');
    const ids = [1, 2, 3].map((number) => client.track('u', 'LOGIN', { number }));
    await client.flush();
    client.track('u', 'LOGIN');
    const flushed = client.flush();
    await until(() => service.requests.length === 2 && vi.getTimerCount() === 1);
    vi.advanceTimersByTime(200);
    await flushed;
    expect([service.stored.has(ids[0]!), service.stored.has(ids[1]!), client.queued]).toEqual([
      true,
      false,
      0,
    ]);
  });
});

describe('the client does not drop', () => {
  it('what the service did not read: that begins the next batch, without a pause', async () => {
    const { client, service, dropped } = await clientOf();
    service.next.push('207 read in part', '207 read in part', '207 read in part');
    const ids = Array.from({ length: 10 }, () => client.track('u', 'LOGIN'));
    await client.flush();
    expect(service.batches.map((batch) => batch.length)).toEqual([10, 5, 2, 1]);
    expect([[...service.stored.keys()], dropped]).toEqual([ids, []]);
  });

  it.each<Answer>(['413', '400'])(
    'the neighbours of one that makes the service refuse the whole: %s',
    async (answer) => {
      const { client, service, dropped } = await clientOf();
      // Eight; four; two; one, which is it.
      service.next.push(answer, answer, answer, answer);
      const ids = Array.from({ length: 8 }, () => client.track('u', 'LOGIN'));
      await client.flush();
      expect([...service.stored.keys()].filter((id) => ids.includes(id))).toEqual(ids.slice(1));
      expect(dropped.map(([events]) => events)).toEqual([1]);
    },
  );

  it.each<Answer>(['401', '403', '404', 'of something else', 'cut'])(
    'anything because the service does not take it now, and tells why: %s',
    async (answer) => {
      const { client, service, dropped, errors } = await clientOf();
      service.answers = answer;
      const id = client.track('u', 'LOGIN');
      const flushed = client.flush();
      for (let told = 0; told < 20; told++) {
        await until(() => errors.length > told);
        vi.advanceTimersByTime(300_000);
      }
      expect([client.queued, dropped]).toEqual([1, []]);
      expect(errors[0]).toContain(
        answer === 'cut' ? 'no answer' : /\d+/.test(answer) ? answer : 'not an answer of Footfall',
      );
      // Of the request that was just begun.
      service.answers = '201';
      await flushed;
      expect([...service.stored.keys()]).toEqual([id]);
    },
  );

  it('what an answer that never comes was for', async () => {
    const { client, service, errors } = await clientOf();
    service.next.push('hanging');
    const id = client.track('u', 'LOGIN');
    const flushed = client.flush();
    await until(() => service.requests.length === 1);
    vi.advanceTimersByTime(29_999);
    await whatFollows();
    expect(errors).toEqual([]);
    vi.advanceTimersByTime(1);
    await until(() => errors.length === 1);
    expect(errors[0]).toContain('none within 30000 ms');
    vi.advanceTimersByTime(200);
    await flushed;
    expect([...service.stored.keys()]).toEqual([id]);
  });
});

describe('the client sends', () => {
  it('the payload as it was when it was tracked, with the key in a header, wherever the slash', async () => {
    const { service } = await clientOf();
    const client = new Footfall({ url: `${service.url}/`, key: 'ff_key' });
    const payload = { count: 1 };
    const id = client.track('u', 'LOGIN', payload);
    payload.count = 2;
    await client.flush();
    expect(service.stored.get(id)?.payload).toEqual({ count: 1 });
    expect(service.requests[0]?.url).toBe('/events/batch');
    expect(service.requests[0]?.headers.authorization).toBe('Bearer ff_key');
  });

  it('how many events were dropped, and why, with the next batch', async () => {
    const { client, service } = await clientOf({ maxQueued: 2 });
    for (let number = 0; number < 5; number++) client.track('u', 'LOGIN');
    client.track('u', 'LOGIN', { total: 1n });
    await client.flush();
    expect(service.batches[0]?.map(({ userId, eventType, payload }) => [userId, eventType, payload])).toEqual(
      [
        ['footfall-client', 'EVENTS_DROPPED', { full: 3, unwritable: 1 }],
        ['u', 'LOGIN', {}],
        ['u', 'LOGIN', {}],
      ],
    );
    await client.flush();
    client.track('u', 'LOGIN');
    await client.flush();
    expect(service.batches.map((batch) => batch.length)).toEqual([3, 1]);
  });

  it('one such number at a time, and adds up what is dropped until that has arrived', async () => {
    const { client, service, errors } = await clientOf({ maxQueued: 1 });
    service.next.push('500', '500');
    client.track('u', 'LOGIN');
    client.track('u', 'LOGIN');
    const flushed = client.flush();
    for (const told of [1, 2]) {
      await until(() => errors.length === told);
      for (let number = 0; number < 5; number++) client.track('u', 'LOGIN');
      expect(client.queued).toBe(2);
      vi.advanceTimersByTime(400);
    }
    await flushed;
    client.track('u', 'LOGIN');
    await client.flush();
    const reports = [...service.stored.values()].filter(({ eventType }) => eventType === 'EVENTS_DROPPED');
    expect(reports.map(({ payload }) => payload)).toEqual([{ full: 1 }, { full: 10 }]);
  });

  it('no such number where it is not wanted, or was refused once', async () => {
    const silent = await clientOf({ maxQueued: 1, reportDropped: false });
    silent.client.track('u', 'LOGIN');
    silent.client.track('u', 'LOGIN');
    await silent.client.flush();
    expect(silent.service.batches.map((batch) => batch.length)).toEqual([1]);

    const { client, service, dropped, errors } = await clientOf({ maxQueued: 1 });
    service.answers = '400 each';
    for (let round = 0; round < 3; round++) {
      client.track('u', 'LOGIN');
      client.track('u', 'LOGIN');
      await client.flush();
    }
    expect(service.batches.map((batch) => batch.length)).toEqual([2, 1, 1]);
    expect(errors).toEqual([expect.stringContaining('cannot be reported: refused: invalid_event')]);
    expect(dropped.map(([events]) => events)).toEqual([1, 1, 1, 1, 1, 1]);
  });
});

describe('with consent, the client', () => {
  it('keeps what is tracked before to itself, and sends it after', async () => {
    const { client, service } = await clientOf({ paused: true });
    const early = client.track('u', 'LOGIN');
    await client.flush();
    vi.advanceTimersByTime(3_600_000);
    expect(client.queued).toBe(1);
    client.resume();
    await client.flush();
    client.pause();
    const late = client.track('u', 'LOGOUT');
    await client.flush();
    expect([...service.stored.keys()]).toEqual([early]);
    client.resume();
    await client.flush();
    expect([...service.stored.keys()]).toEqual([early, late]);
  });

  it('breaks off what is under way when paused, and sends it again under the same id', async () => {
    const { client, service } = await clientOf();
    service.next.push('hanging');
    const id = client.track('u', 'LOGIN');
    const flushed = client.flush();
    await until(() => service.requests.length === 1);
    client.pause();
    await flushed;
    expect(client.queued).toBe(1);
    client.resume();
    await client.flush();
    expect(service.ids).toEqual([id, id]);
  });

  it('ends a wait when paused, and begins at once when resumed', async () => {
    const { client, service, errors } = await clientOf();
    service.next.push('429 with Retry-After');
    const id = client.track('u', 'LOGIN');
    const flushed = client.flush();
    await until(() => errors.length === 1);
    client.pause();
    await flushed;
    client.resume();
    await client.flush();
    expect(service.ids).toEqual([id, id]);
  });

  it('forgets what waits when it is withdrawn, and takes nothing until it is given again', async () => {
    const { client, service, dropped } = await clientOf();
    client.track('u', 'LOGIN');
    await client.forget();
    client.track('u', 'LOGIN');
    await client.flush();
    client.resume();
    const id = client.track('u', 'LOGOUT');
    await client.flush();
    expect([service.ids, dropped, client.queued]).toEqual([[id], [], 0]);
  });
});

describe('closing the client', () => {
  it('sends what waits, and says what it takes no more', async () => {
    const { client, service, dropped } = await clientOf();
    const id = client.track('u', 'LOGIN');
    await client.close();
    client.track('u', 'LOGIN');
    client.resume();
    expect([service.ids, dropped]).toEqual([[id], [[1, ['the client is closed']]]]);
  });

  it('takes no longer than it may, and says what was not sent', async () => {
    const { client, service, dropped } = await clientOf();
    service.answers = 'hanging';
    client.track('u', 'LOGIN');
    const closed = client.close(5000);
    await until(() => service.requests.length === 1);
    vi.advanceTimersByTime(5000);
    await closed;
    expect(dropped).toEqual([[1, ['the client was closed before it was sent']]]);
    expect([client.queued, vi.getTimerCount()]).toEqual([0, 0]);
  });
});
