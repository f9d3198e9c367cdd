import { describe, expect, it } from 'vitest';
import { serviceHere, store } from '../support/service.ts';

const event = (timestamp: string, userId: string, eventType = 'VIEW') => ({ userId, eventType, timestamp });
/** Mondays of February 2024 are the 5th, 12th, 19th and 26th. */
const EVENTS = [
  event('2024-02-20T10:00:00Z', 'ada'),
  event('2024-02-05T00:00:00Z', 'ada'),
  event('2024-02-06T00:00:00Z', 'ada'),
  event('2024-02-11T23:30:00Z', 'bob', 'BUY'),
  event('2024-02-13T00:00:00Z', 'bob'),
  event('2024-02-25T23:59:59Z', 'eve'),
];
const RANGE = 'from=2024-02-05&to=2024-02-26';

async function ask(url: string, query: string): Promise<{ status: number; [member: string]: unknown }> {
  const response = await fetch(`${url}/events/stats/returning?${query}`);
  return { status: response.status, ...((await response.json()) as object) };
}

describe('GET /events/stats/returning', () => {
  it('says how many users of each week come back in which', async () => {
    const { url } = await serviceHere({ UNKNOWN_EVENT_TYPES: 'accept' });
    await store(url, EVENTS);
    expect(await ask(url, RANGE)).toEqual({
      status: 200,
      from: '2024-02-05T00:00:00.000Z',
      to: '2024-02-26T00:00:00.000Z',
      timeZone: 'UTC',
      weeks: [
        { start: '2024-02-05T00:00:00.000Z', users: 2, returned: [1, 1] },
        { start: '2024-02-12T00:00:00.000Z', users: 0, returned: [0] },
        { start: '2024-02-19T00:00:00.000Z', users: 1, returned: [] },
      ],
    });
    expect(await ask(url, `${RANGE}&eventType=BUY`)).toMatchObject({
      weeks: [{ users: 1, returned: [0, 0] }, { users: 0 }, { users: 0 }],
    });
  });

  it('lets weeks begin where the reader lives, also where clocks are changed', async () => {
    const { url } = await serviceHere({ UNKNOWN_EVENT_TYPES: 'accept' });
    await store(url, EVENTS);
    // There, it was Monday already when bob first came.
    expect(await ask(url, `${RANGE}&timeZone=Europe/Berlin`)).toMatchObject({
      timeZone: 'Europe/Berlin',
      weeks: [
        { start: '2024-02-04T23:00:00.000Z', users: 1, returned: [0, 1, 0] },
        { start: '2024-02-11T23:00:00.000Z', users: 1, returned: [0, 0] },
        { start: '2024-02-18T23:00:00.000Z', users: 0, returned: [0] },
        { start: '2024-02-25T23:00:00.000Z', users: 1, returned: [] },
      ],
    });
    const { weeks } = await ask(url, 'from=2024-03-25&to=2024-04-08&timeZone=Europe/Berlin');
    expect((weeks as { start: string }[]).map(({ start }) => start)).toEqual([
      '2024-03-24T23:00:00.000Z',
      '2024-03-31T22:00:00.000Z',
      '2024-04-07T22:00:00.000Z',
    ]);
  });

  it('goes back to the beginning of the seventh week before, unless told otherwise', async () => {
    const { url } = await serviceHere();
    const { from, weeks } = await ask(url, 'to=2024-02-26');
    expect([from, (weeks as unknown[]).length]).toEqual(['2024-01-01T00:00:00.000Z', 8]);
  });

  it('says what is wrong with a query', async () => {
    const { url } = await serviceHere();
    for (const [query, why] of [
      ['from=2024-02-15&to=2024-02-14', 'from must be before to'],
      ['from=0001-01-01', 'there may be at most 53 weeks between from and to'],
      ['from=2023-01-01&to=2024-01-02', 'there may be at most 53 weeks between from and to'],
      ['timeZone=Mars', 'timeZone must be the name of a time zone'],
      ['timeZone=', 'timeZone must be the name of a time zone'],
      ['step=A', 'step is not a parameter'],
    ] as const) {
      const { status, errors } = await ask(url, query);
      expect([query, status, (errors as string[])[0]]).toEqual([query, 400, expect.stringContaining(why)]);
    }
  });
});
