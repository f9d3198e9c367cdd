import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { serviceHere, store } from '../support/service.ts';

interface Duplicates {
  process: string;
  events: { id: string; eventId: string; userId: string; foundAt: string; caller: string | null }[];
  next: string | null;
}

async function duplicates(url: string, query = ''): Promise<Duplicates> {
  const response = await fetch(`${url}/events/duplicates${query}`);
  expect(response.status).toBe(200);
  return (await response.json()) as Duplicates;
}

describe('GET /events/duplicates', () => {
  it('lists events that came again, page by page, and none that came once or says something else', async () => {
    const { url } = await serviceHere();
    const [first, second] = [randomUUID(), randomUUID()].map((eventId) => ({
      eventId,
      userId: 'ada',
      eventType: 'LOGIN',
    }));
    await store(url, [first!, second!]);
    await store(url, [first!, { userId: 'once', eventType: 'LOGIN' }, second!]);
    await fetch(`${url}/events/batch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify([{ ...first, userId: 'other' }]),
    });
    const { events, next, process } = await duplicates(url, '?limit=1');
    expect(events).toMatchObject([{ id: '2', ...second, foundAt: 'intake', caller: null }]);
    expect((await duplicates(url, `?cursor=${next}`)).events).toMatchObject([{ id: '1', ...first }]);
    expect(await duplicates(url, '?after=2')).toEqual({ process, events: [], next: null });
  });

  it.each(['limit=0', 'cursor=x', 'after=x', 'what=1'])('refuses %s', async (query) => {
    const { url } = await serviceHere();
    const response = await fetch(`${url}/events/duplicates?${query}`);
    expect([response.status, response.headers.get('error-code')]).toEqual([400, 'invalid_query']);
  });
});
