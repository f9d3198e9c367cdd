import { describe, expect, it } from 'vitest';
import { HOUR_MS } from '../../src/store/event-store.ts';
import { serviceHere, store } from '../support/service.ts';

const NOON = Date.UTC(2024, 1, 14, 12);

const event = (hours: number, eventType: string, payload: object, userId = 'ada') => ({
  userId,
  eventType,
  timestamp: new Date(NOON + hours * HOUR_MS).toISOString(),
  payload,
});
const EVENTS = [
  event(-3, 'VIEW', { productId: 'lamp' }),
  event(-2, 'VIEW', { productId: 'chair' }, 'bob'),
  event(-1, 'LOGIN', {}),
  event(2, 'LOGIN', { method: 'sso' }, 'bob'),
  event(0, 'VIEW', { productId: 'lamp' }),
  event(0.1, 'ERROR', { code: 503 }, 'bot'),
  event(0.2, 'ERROR', { code: 503 }, 'bot'),
  event(0.9, 'ERROR', { code: 500 }, 'bot'),
];
const SELECTED = 'from=2024-02-14T12:00:00Z&to=2024-02-14T13:00:00Z';
const AROUND = `${SELECTED}&baselineFrom=2024-02-14&baselineTo=2024-02-15`;

interface Answer {
  status: number;
  errors?: string[];
  [member: string]: unknown;
}

async function ask(url: string, query: string): Promise<Answer> {
  const response = await fetch(`${url}/events/stats/difference?${query}`);
  return { status: response.status, ...((await response.json()) as object) };
}

const listed = ({ values }: Answer) =>
  (values as { name: string; value: string; events: number; baselineEvents: number }[]).map(
    ({ name, value, events, baselineEvents }) => `${name}=${value} ${events} ${baselineEvents}`,
  );

describe('GET /events/stats/difference', () => {
  it('lists what a greater share of the selected events has than of those around them', async () => {
    const { url } = await serviceHere({ UNKNOWN_EVENT_TYPES: 'accept' });
    await store(url, EVENTS);
    expect(await ask(url, `${AROUND}&top=2`)).toEqual({
      status: 200,
      from: '2024-02-14T12:00:00.000Z',
      to: '2024-02-14T13:00:00.000Z',
      baselineFrom: '2024-02-14T00:00:00.000Z',
      baselineTo: '2024-02-15T00:00:00.000Z',
      events: 4,
      baselineEvents: 4,
      comparedFrom: 1,
      values: ['eventType ERROR', 'userId bot'].map((one) => ({
        name: one.split(' ')[0],
        value: one.split(' ')[1],
        events: 3,
        share: 0.75,
        baselineEvents: 0,
        baselineShare: 0,
        difference: 0.75,
      })),
    });
    expect(listed(await ask(url, AROUND))).toEqual([
      'eventType=ERROR 3 0',
      'userId=bot 3 0',
      'payload.code[exists]=true 3 0',
      'payload.code=503 2 0',
      'payload.code=500 1 0',
    ]);
  });

  it('compares with the 24 hours before, unless told otherwise; each row is a filter that finds its events', async () => {
    const { url } = await serviceHere({ UNKNOWN_EVENT_TYPES: 'accept' });
    await store(url, EVENTS);
    const answer = await ask(url, SELECTED);
    expect(answer).toMatchObject({ baselineFrom: '2024-02-13T12:00:00.000Z', events: 4, baselineEvents: 3 });
    for (const { name, value, events } of answer.values as {
      name: string;
      value: string;
      events: number;
    }[]) {
      const only = await ask(url, `${SELECTED}&${new URLSearchParams({ [name]: value })}`);
      expect([name, value, only.events]).toEqual([name, value, events]);
    }
    expect(await ask(url, `${SELECTED}&eventType=ERROR&payload.code=503`)).toMatchObject({ events: 2 });
  });

  it('looks at the last hour where no time is given', async () => {
    const { url } = await serviceHere({ UNKNOWN_EVENT_TYPES: 'accept' });
    await store(url, [{ userId: 'ada', eventType: 'LOGIN' }]);
    const { from, to, ...answer } = await ask(url, '');
    expect(answer).toMatchObject({ events: 1, baselineEvents: 0 });
    expect(Date.parse(String(to)) - Date.parse(String(from))).toBe(HOUR_MS);
  });

  it('says what is wrong with a query', async () => {
    const { url } = await serviceHere();
    for (const [query, why] of [
      ['from=2024-02-15&to=2024-02-14', 'from must be before to'],
      [`${SELECTED}&baselineFrom=2024-02-15`, 'baselineFrom must be before baselineTo'],
      ['from=0001-01-01', 'there may be at most 3660 days between from and to'],
      [
        `${SELECTED}&baselineFrom=0001-01-01`,
        'there may be at most 3660 days between baselineFrom and baselineTo',
      ],
      [`${SELECTED}&baselineTo=yesterday`, 'baselineTo must be a date'],
      [`${SELECTED}&top=101`, 'top must be a whole number from 1 to 100'],
      [`${SELECTED}&by=userId`, 'by is not a parameter'],
    ] as const) {
      const { status, errors } = await ask(url, query);
      expect([query, status, errors?.[0]]).toEqual([query, 400, expect.stringContaining(why)]);
    }
  });
});
