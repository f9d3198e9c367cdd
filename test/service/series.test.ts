import { describe, expect, it } from 'vitest';
import { HOUR_MS } from '../../src/store/event-store.ts';
import { serviceHere, store } from '../support/service.ts';

const DAY = Date.UTC(2024, 1, 14);

function event(hour: number, more: object = {}) {
  const timestamp = new Date(DAY + hour * HOUR_MS).toISOString();
  return { userId: 'u', eventType: 'LOGIN', timestamp, payload: { device: 'phone' }, ...more };
}

/** Six on the day, two of them late; three on the day before, one the day after. */
async function serviceWithEvents(): Promise<string> {
  const { url } = await serviceHere();
  await store(url, [event(5.5), event(1), event(23.99, { userId: 'v', eventType: 'LOGOUT' })]);
  await store(url, [
    event(-1, { payload: { device: 'car' } }),
    event(-24),
    event(-24.01),
    event(24),
    event(5.6, { payload: {} }),
    event(2, { userId: 'v', payload: { device: 'tablet' } }),
    event(0, { eventType: 'LOGOUT' }),
  ]);
  return url;
}

async function ask(url: string, query: string): Promise<{ status: number; [member: string]: unknown }> {
  const response = await fetch(`${url}/events/stats/series${query}`);
  return { status: response.status, ...((await response.json()) as object) };
}

const ON_DAY = '?from=2024-02-14&to=2024-02-15';
/** 24 numbers, of which some are given. */
const hours = (given: Record<number, number>) => Array.from({ length: 24 }, (_, hour) => given[hour] ?? 0);

describe('GET /events/stats/series', () => {
  it('counts all events of a day by hour', async () => {
    const url = await serviceWithEvents();
    const counts = hours({ 0: 1, 1: 1, 2: 1, 5: 2, 23: 1 });
    expect(await ask(url, ON_DAY)).toEqual({
      status: 200,
      from: '2024-02-14T00:00:00.000Z',
      to: '2024-02-15T00:00:00.000Z',
      interval: 'hour',
      by: null,
      total: 6,
      series: [{ value: null, events: 6, counts }],
      others: { values: 0, events: 0, counts: hours({}) },
    });
  });

  it('counts the values of a payload member apart, and those that are not listed together', async () => {
    const url = await serviceWithEvents();
    expect(await ask(url, `${ON_DAY}&by=payload.device&top=1&compare=previous`)).toEqual({
      status: 200,
      from: '2024-02-14T00:00:00.000Z',
      to: '2024-02-15T00:00:00.000Z',
      interval: 'hour',
      by: 'payload.device',
      total: 6,
      series: [{ value: 'phone', events: 4, previous: 1, counts: hours({ 0: 1, 1: 1, 5: 1, 23: 1 }) }],
      others: { values: 3, events: 2, previous: 1, counts: hours({ 2: 1, 5: 1 }) },
      previous: {
        from: '2024-02-13T00:00:00.000Z',
        to: '2024-02-14T00:00:00.000Z',
        total: 2,
        counts: hours({ 0: 1, 23: 1 }),
      },
    });
  });

  it.each([
    ['&by=eventType', { LOGIN: 4, LOGOUT: 2 }],
    ['&by=userId', { u: 4, v: 2 }],
    ['&by=userId&eventType=LOGOUT', { u: 1, v: 1 }],
    ['&by=eventType&userId=v', { LOGIN: 1, LOGOUT: 1 }],
    ['&by=userId&userId=v&eventType=LOGIN', { v: 1 }],
    ['&by=eventType&payload.device=phone', { LOGIN: 2, LOGOUT: 2 }],
    ['&by=payload.device', { phone: 4, null: 1, tablet: 1 }],
    ['&by=payload.device.name', { null: 6 }],
    ['&by=payload.device&userId=nobody', {}],
    ['&eventType=LOGIN&interval=5minutes', { null: 4 }],
    ['&userId=v&interval=day', { null: 2 }],
    ['&userId=nobody', {}],
  ])('%s', async (query, expected) => {
    const url = await serviceWithEvents();
    const { series } = (await ask(url, ON_DAY + query)) as unknown as {
      series: { value: string | null; events: number }[];
    };
    const events = series.map((one) => [String(one.value), one.events] as const);
    expect(Object.fromEntries(events)).toEqual(expected);
    const order = series.map((one) => one.events);
    expect(order).toEqual(order.toSorted((a, b) => b - a));
  });

  it('divides a range into intervals that suit its length, or as it is told', async () => {
    const { url } = await serviceHere();
    for (const [query, interval, count] of [
      [`${ON_DAY}`, 'hour', 24],
      ['?from=2024-02-14T10:30:00Z&to=2024-02-14T11:30:00Z', 'minute', 60],
      ['?from=2024-02-14T10:00:00Z&to=2024-02-14T10:00:01Z', 'minute', 1],
      ['?from=2024-02-14T10:00:00Z&to=2024-02-14T12:00:00Z', '5minutes', 24],
      ['?from=2024-02-14T10:01:00Z&to=2024-02-14T16:01:00Z', '15minutes', 25],
      ['?from=2024-01-01&to=2024-01-25', 'day', 24],
      ['?to=2024-02-15', 'hour', 24],
      ['?from=2024-02-13T23:59:59.999Z&to=2024-02-14T00:00:00.001Z&interval=day', 'day', 2],
    ] as const) {
      const answer = await ask(url, query);
      const { counts } = answer.others as { counts: number[] };
      expect([query, answer.interval, counts.length]).toEqual([query, interval, count]);
    }
  });

  it('answers for the last 24 hours, up to what has just been stored', async () => {
    const { url } = await serviceHere();
    await store(url, [{ userId: 'u', eventType: 'LOGIN' }]);
    const { from, to, ...answer } = await ask(url, '?by=eventType');
    expect(answer).toMatchObject({ total: 1, interval: 'hour', series: [{ value: 'LOGIN', events: 1 }] });
    expect(Date.parse(String(to)) - Date.parse(String(from))).toBe(24 * HOUR_MS);
  });

  it('says what is wrong with a query', async () => {
    const { url } = await serviceHere();
    for (const [query, why] of [
      ['?from=2024-02-15&to=2024-02-14', 'from must be before to'],
      ['?from=2024-02-14&to=2024-02-14', 'from must be before to'],
      ['?from=2020-01-01&to=2024-01-01', 'there may be at most 1000 intervals between from and to'],
      [`${ON_DAY}&interval=minute`, 'there may be at most 1000 intervals between from and to'],
      ['?interval=week', 'interval must be one of minute, 5minutes, 15minutes, hour, day'],
      ['?by=country', 'by must be eventType, userId or payload.MEMBER'],
      ['?by=payload.', 'by must be eventType, userId or payload.MEMBER'],
      ['?by=payload.a..b', 'by must be eventType, userId or payload.MEMBER'],
      ['?top=0', 'top must be a whole number from 1 to 100'],
      ['?compare=next', 'compare must be one of previous'],
      ['?from=yesterday', 'from must be a date'],
      ['?order=time', 'order is not a parameter'],
    ] as const) {
      const { status, errors } = await ask(url, query);
      expect([query, status, (errors as string[])[0]]).toEqual([query, 400, expect.stringContaining(why)]);
    }
  });
});
