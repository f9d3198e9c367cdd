import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { serviceHere, store } from '../support/service.ts';

const DAY = Date.UTC(2024, 1, 14);

function event(hour: number, more: object = {}) {
  const timestamp = new Date(DAY + hour * 3_600_000).toISOString();
  return { eventId: randomUUID(), userId: 'u', eventType: 'LOGIN', timestamp, payload: { hour }, ...more };
}

/** In the order of arrival: 5, 1, 3 of another, 4, 2 and 2 once more. */
async function serviceWithLateEvents(): Promise<string> {
  const { url } = await serviceHere();
  await store(url, [event(5), event(1), event(3, { userId: 'v', eventType: 'LOGOUT' })]);
  await store(url, [event(4), event(2), event(2, { eventType: 'LOGOUT' })]);
  return url;
}

interface Page {
  hours: number[];
  next: string | undefined;
}

async function page(address: string): Promise<Page> {
  const response = await fetch(address);
  expect(response.status).toBe(200);
  const events = (await response.json()) as { payload: { hour: number } }[];
  const next = /^<(.*)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
  return { hours: events.map(({ payload }) => payload.hour), next };
}

describe('GET /events/processed in the order of time', () => {
  it.each([
    ['order=time', [1, 2, 2, 3, 4, 5]],
    ['order=-time', [5, 4, 3, 2, 2, 1]],
    ['order=-time&userId=u', [5, 4, 2, 2, 1]],
    ['order=time&eventType=LOGOUT', [2, 3]],
    ['order=time&eventType=LOGOUT&userId=u', [2]],
    ['order=-time&payload.hour=2', [2, 2]],
    ['order=time&from=2024-02-14T02:00:00Z&to=2024-02-14T04:00:00Z', [2, 2, 3]],
    ['order=-time&from=2024-02-14T04:00:00Z', [5, 4]],
    ['order=stored', [5, 1, 3, 4, 2, 2]],
    ['order=asc', [5, 1, 3, 4, 2, 2]],
    ['order=-stored', [2, 2, 4, 3, 1, 5]],
    ['order=desc', [2, 2, 4, 3, 1, 5]],
  ])('%s', async (query, expected) => {
    const url = await serviceWithLateEvents();
    expect((await page(`${url}/events/processed?${query}`)).hours).toEqual(expected);
    const lines = await fetch(`${url}/events/processed?${query}`, {
      headers: { Accept: 'application/x-ndjson' },
    });
    const hours = (await lines.text()).trimEnd().split('\n');
    expect(hours.map((line) => JSON.parse(line).payload.hour)).toEqual(expected);
  });

  it('shows an event that comes late on the page where it belongs, if that is still ahead', async () => {
    const url = await serviceWithLateEvents();
    const first = await page(`${url}/events/processed?order=-time&limit=2`);
    expect(first.hours).toEqual([5, 4]);
    await store(url, [event(4.5), event(2.5)]);
    const second = await page(url + first.next);
    expect(second.hours).toEqual([2.5 + 0.5, 2.5]);
    const third = await page(url + second.next);
    expect([...third.hours, third.next !== undefined]).toEqual([2, 2, true]);
    expect(await page(url + third.next)).toEqual({ hours: [1], next: undefined });
  });

  it('refuses the cursor of another order', async () => {
    const url = await serviceWithLateEvents();
    for (const [of, other] of [
      ['time', '-time'],
      ['time', 'stored'],
      ['-time', 'time'],
      ['stored', 'time'],
    ]) {
      const { next } = await page(`${url}/events/processed?limit=1&order=${of}`);
      const response = await fetch(url + next!.replace(`order=${of}`, `order=${other}`));
      expect(response.status).toBe(400);
      expect(await response.text()).toContain(
        'cursor must be of the Link of an earlier answer with the same',
      );
    }
  });
});

it('says how many events a user has, and when the first and the latest happened', async () => {
  const { url } = await serviceHere();
  const ask = async (query: string) => {
    const response = await fetch(`${url}/events/stats/user${query}`);
    return { status: response.status, ...((await response.json()) as object) };
  };
  const [first, latest] = ['2026-01-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z'];
  await store(url, [
    { userId: 'ada', eventType: 'LOGIN', timestamp: latest },
    { userId: 'ada', eventType: 'LOGIN', timestamp: first },
    { userId: 'bob', eventType: 'LOGIN' },
  ]);
  expect(await ask('?userId=ada')).toEqual({ status: 200, userId: 'ada', events: 2, first, latest });
  expect(await ask('?userId=eve')).toEqual({
    status: 200,
    userId: 'eve',
    events: 0,
    first: null,
    latest: null,
  });
  for (const query of ['', '?userId=', '?userId=%00', '?userId=a&userId=b', '?userId=a&day=today'])
    expect(await ask(query)).toMatchObject({ status: 400 });
});
