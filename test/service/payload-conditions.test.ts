import { describe, expect, it, onTestFinished } from 'vitest';
import { serviceHere, store } from '../support/service.ts';
import { readStream } from '../support/sse.ts';

/** A number in the digits given; the types do not know the function yet. */
const { rawJSON: number } = JSON as unknown as { rawJSON(text: string): object };
/** By the member `at`: more digits than a 64-bit number keeps, times in two zones, a name that ends like an operator. */
const PAYLOADS = [
  { device: 'iPhone 15', cart: { price: 9.99 }, due: '2024-02-14T10:00:00Z' },
  { device: 'iphone', cart: { price: number('10.00') }, due: '2024-02-14T11:30:00+02:00' },
  { device: 'Pixel', cart: { price: number('10.0000000000000000001') }, due: '2024-02-14' },
  { device: null, cart: { price: '10' }, 'price[gt]': 5 },
  { cart: { price: number('9007199254740993') }, 'price[gt]': 7 },
];
/** Each earlier than the one that was stored before it. */
const EVENTS = PAYLOADS.map((payload, at) => ({
  userId: `u${at % 2}`,
  eventType: 'LOGIN',
  timestamp: `2024-02-14T0${9 - at}:00:00Z`,
  payload: { at, ...payload },
}));

async function serviceWithEvents(): Promise<string> {
  const { url } = await serviceHere();
  await store(url, EVENTS);
  return url;
}

async function found(url: string, query: string): Promise<number[]> {
  const response = await fetch(`${url}/events/processed?${query}`);
  expect(response.status).toBe(200);
  return ((await response.json()) as { payload: { at: number } }[]).map(({ payload }) => payload.at);
}

describe('conditions on payloads', () => {
  it.each([
    ['payload.cart.price[gte]=10', [1, 2, 4]],
    ['payload.cart.price[gt]=10', [2, 4]],
    ['payload.cart.price[lt]=10', [0]],
    ['payload.cart.price[lte]=10.0', [0, 1]],
    ['payload.cart.price[gt]=9007199254740992', [4]],
    ['payload.cart.price[gt]=9007199254740993', []],
    ['payload.cart.price[gt]=9.5&payload.cart.price[lt]=10.1', [0, 1, 2]],
    ['payload.cart.price[gte]=1e1', [1, 2, 4]],
    ['payload.cart.price[ne]=10', [0, 2, 4]],
    ['payload.cart.price=10', [1, 3]],
    ['payload.cart.price[eq]=10', [1, 3]],
    ['payload.device[contains]=iP', [0]],
    ['payload.device[contains]=phone', [1]],
    ['payload.device[ne]=Pixel', [0, 1, 3]],
    ['payload.device[gte]=a', [0, 1]],
    ['payload.device[exists]=true', [0, 1, 2, 3]],
    ['payload.device[exists]=false', [4]],
    ['payload.cart[exists]=true&payload.cart[scalar]=false', [0, 1, 2, 3, 4]],
    ['payload.cart.price[scalar]=true', [0, 1, 2, 3, 4]],
    ['payload.due[gte]=2024-02-14T09:45:00Z', [0]],
    ['payload.due[lt]=2024-02-14T11:00:00+01:00', [1, 2]],
    ['payload.due[gte]=2024-02-14&payload.due[lt]=2024-02-15', [0, 1, 2]],
    ['payload.price[gt][eq]=5', [3]],
    ['payload.price[gt][gt]=5', [4]],
    ['payload.price%5Bgt%5D%5Bexists%5D=true', [3, 4]],
    ['payload.cart.price%5Bgte%5D=10&userId=u0', [2, 4]],
    ['payload.cart.price[gte]=10&eventType=LOGIN&from=2024-02-14T06:00:00Z', [1, 2]],
  ])('%s', async (query, expected) => {
    const url = await serviceWithEvents();
    expect(await found(url, query)).toEqual(expected);
    expect(await found(url, `${query}&order=time`)).toEqual(expected.toReversed());
    expect(await found(url, `${query}&order=-time`)).toEqual(expected);
    expect(await found(url, `${query}&order=-stored`)).toEqual(expected.toReversed());
  });

  it.each([
    [
      'payload.a[in]=1',
      'payload.a[in]: there is no operator [in], but [eq], [ne], [contains], [gt], [gte], [lt], [lte], [exists], [scalar]; a member whose name ends like that is payload.a[in][eq]',
    ],
    ['payload.a[]=1', 'payload.a[]: there is no operator []'],
    ['payload.a[GT]=1', 'there is no operator [GT]'],
    ['payload.a[exists]=1', 'payload.a[exists] must be true or false'],
    ['payload.a[exists]', 'payload.a[exists] must be true or false'],
    ['payload.a[scalar]=no', 'payload.a[scalar] must be true or false'],
    ['payload.a[gt]=1&payload.a[gt]=2', 'payload.a[gt] must be given once'],
    ['userId[gt]=1', 'userId[gt] is not a parameter'],
    [Array.from({ length: 11 }, (_, at) => `payload.a[g${at}]=1`).join('&'), 'at most 10'],
  ])('%s is answered with what is wrong', async (query, message) => {
    const { url } = await serviceHere();
    for (const path of ['processed', 'stream']) {
      const response = await fetch(`${url}/events/${path}?${query}`);
      expect([response.status, response.headers.get('error-code')]).toEqual([400, 'invalid_query']);
      expect(((await response.json()) as { errors: string[] }).errors.join('\n')).toContain(message);
    }
  });

  it('stay as they were sent in the address of the next page', async () => {
    const url = await serviceWithEvents();
    for (const query of [
      'payload.cart.price[gte]=1e1&limit=1',
      'limit=1&payload.cart.price%5bgte%5d=10.00',
    ]) {
      const pages: number[] = [];
      for (let next: string | undefined = `/events/processed?${query}`; next !== undefined; ) {
        expect(next.replace(/&cursor=\d+$/, '')).toBe(`/events/processed?${query}`);
        const response: Response = await fetch(url + next);
        const events = (await response.json()) as { payload: { at: number } }[];
        pages.push(...events.map(({ payload }) => payload.at));
        next = /^<(.*)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
      }
      expect(pages).toEqual([1, 2, 4]);
    }
  });

  it('choose what is exported', async () => {
    const url = await serviceWithEvents();
    const address = `${url}/events/processed?payload.cart.price[gt]=10`;
    const lines = await (await fetch(address, { headers: { Accept: 'application/x-ndjson' } })).text();
    expect(lines.trim().split('\n')).toHaveLength(2);
    expect(lines).toContain('"price":10.0000000000000000001');
    const rows = await (await fetch(`${address}&order=time`, { headers: { Accept: 'text/csv' } })).text();
    expect(rows.trim().split('\r\n')).toHaveLength(3);
    expect(rows.indexOf('9007199254740993')).toBeLessThan(rows.indexOf('10.0000000000000000001'));
  });

  it('choose what is sent live', async () => {
    const url = await serviceWithEvents();
    const stream = await readStream(`${url}/events/stream?after=0&payload.cart.price[gt]=10`);
    onTestFinished(() => stream.close());
    await store(url, [
      { userId: 'u', eventType: 'LOGIN', payload: { at: 5, cart: { price: 3 } } },
      { userId: 'u', eventType: 'LOGIN', payload: { at: 6, cart: { price: 11 } } },
    ]);
    const sent = () => stream.messages.map(({ data }) => JSON.parse(data).payload.at);
    await expect.poll(sent).toEqual([2, 4, 6]);
  });
});
