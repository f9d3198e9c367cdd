import { describe, expect, it } from 'vitest';
import { serviceHere, store } from '../support/service.ts';

const event = (time: string, userId: string, eventType: string, productId = 'lamp') => ({
  userId,
  eventType,
  timestamp: `2024-02-14T${time}:00Z`,
  payload: { productId },
});
const EVENTS = [
  event('10:20', 'ada', 'CART'),
  event('10:10', 'bob', 'VIEW'),
  event('10:15', 'bob', 'CART'),
  event('11:00', 'eve', 'VIEW', 'chair'),
  event('10:00', 'ada', 'VIEW'),
  event('12:00', 'ada', 'BUY'),
  event('23:59', 'zoe', 'VIEW'),
  event('09:00', 'mallory', 'BUY'),
];
const DAY = 'from=2024-02-14&to=2024-02-15';

async function ask(url: string, query: string): Promise<{ status: number; [member: string]: unknown }> {
  const response = await fetch(`${url}/events/stats/funnel?${query}`);
  return { status: response.status, ...((await response.json()) as object) };
}

const users = ({ steps }: Record<string, unknown>) => (steps as { users: number }[]).map((one) => one.users);

describe('GET /events/stats/funnel', () => {
  it('says how many users get how far, and how long they take', async () => {
    const { url } = await serviceHere({ UNKNOWN_EVENT_TYPES: 'accept' });
    await store(url, EVENTS);
    const minute = 60_000;
    expect(await ask(url, `${DAY}&step=VIEW&step=CART&step=BUY&withinSeconds=7200`)).toEqual({
      status: 200,
      from: '2024-02-14T00:00:00.000Z',
      to: '2024-02-15T00:00:00.000Z',
      withinSeconds: 7200,
      steps: [
        { eventType: 'VIEW', users: 4, share: 1, shareOfPrevious: null, medianMs: null },
        { eventType: 'CART', users: 2, share: 0.5, shareOfPrevious: 0.5, medianMs: 12.5 * minute },
        { eventType: 'BUY', users: 1, share: 0.25, shareOfPrevious: 0.5, medianMs: 100 * minute },
      ],
    });
    expect(users(await ask(url, `${DAY}&step=VIEW&step=BUY&withinSeconds=7199`))).toEqual([4, 0]);
    expect(users(await ask(url, `${DAY}&step=VIEW&step=CART&payload.productId=chair`))).toEqual([1, 0]);
    expect(users(await ask(url, `${DAY}&step=VIEW&step=VIEW&step1.payload.productId=chair`))).toEqual([1, 0]);
    const cart = `${DAY}&step=VIEW&step=CART&step2.payload.productId`;
    expect(users(await ask(url, `${cart}[ne]=lamp`))).toEqual([4, 0]);
    expect(users(await ask(url, `${cart}[contains]=am&payload.productId[exists]=true`))).toEqual([4, 2]);
    expect(users(await ask(url, `to=2024-02-15T09:00:00Z&step=VIEW&step=BUY`))).toEqual([4, 1]);
    expect(await ask(url, `${DAY}&step=NEVER&step=VIEW`)).toMatchObject({
      steps: [
        { users: 0, share: null, medianMs: null },
        { users: 0, share: null, shareOfPrevious: null, medianMs: null },
      ],
    });
  });

  it('says what is wrong with a query', async () => {
    const { url } = await serviceHere();
    for (const [query, why] of [
      ['', 'step must be given 2 to 5 times'],
      ['step=A', 'step must be given 2 to 5 times'],
      ['step=A&step=A&step=A&step=A&step=A&step=A', 'step may be given 5 times'],
      ['step=A&step=', 'step must be 1 to 255 characters long'],
      ['step=A&step=B&withinSeconds=0', 'withinSeconds must be a whole number from 1 to 7776000'],
      ['step=A&step=B&from=2024-02-15&to=2024-02-14', 'from must be before to'],
      ['step=A&step=B&from=1970-01-01', 'there may be at most 3660 days between from and to'],
      ['step=A&step=B&userId=ada', 'userId is not a parameter'],
      ['step=A&step=B&payload.a[like]=b', 'payload.a[like]: there is no operator [like]'],
      ['step=A&step=B&step2.payload.a[like]=b', 'step2.payload.a[like]: there is no operator [like]'],
      ['step=A&step=B&step2.payload.a[exists]=b', 'step2.payload.a[exists] must be true or false'],
      ['step=A&step=B&step3.payload.a=b', 'step3 has conditions but no type'],
      ['step=A&step=B&step0.payload.a=b', 'step0.payload.a is not a parameter'],
      [
        `step=A&step=B${Array.from({ length: 11 }, (_, at) => `&step${1 + (at % 2)}.payload.m${at}=b`).join('')}`,
        'at most 10 conditions on payloads may be given',
      ],
    ] as const) {
      const { status, errors } = await ask(url, query);
      expect([query, status, (errors as string[])[0]]).toEqual([query, 400, expect.stringContaining(why)]);
    }
  });
});
