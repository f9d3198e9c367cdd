import { describe, expect, it } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import { listeningLogger } from '../support/logger.ts';
import { post, serviceHere } from '../support/service.ts';

/** Nobody listens there. */
const NO_STORE = { DATABASE_URL: 'postgres://u:p@127.0.0.1:1/d' };
const EVENT = { userId: 'u', eventType: 'LOGIN' };
/** Of each route that needs the store, in its forms. */
const REQUESTS: Record<string, [path: string, init?: RequestInit][]> = {
  'GET /events/processed': [
    ['/events/processed'],
    ['/events/processed', { headers: { Accept: 'application/x-ndjson' } }],
    ['/events/processed', { headers: { Accept: 'text/csv' } }],
    ['/events/processed?userId=u'],
    ['/events/processed?eventType=LOGIN', { headers: { Accept: 'text/csv' } }],
    ['/events/processed?from=2026-01-01&order=desc', { headers: { Accept: 'application/x-ndjson' } }],
    ['/events/processed?payload.a=b&limit=5&cursor=7'],
  ],
  'GET /events/stream': [
    ['/events/stream'],
    ['/events/stream?after=0', { headers: { 'Last-Event-ID': '7' } }],
  ],
  'GET /events/stats': [['/events/stats']],
  'GET /events/stats/series': [
    ['/events/stats/series'],
    ['/events/stats/series?userId=u'],
    ['/events/stats/series?by=payload.a'],
  ],
  'GET /events/stats/difference': [['/events/stats/difference'], ['/events/stats/difference?userId=u']],
  'GET /events/stats/funnel': [
    ['/events/stats/funnel?step=A&step=B'],
    ['/events/stats/funnel?step=A&step=B&payload.a=b'],
  ],
  'GET /events/stats/returning': [['/events/stats/returning'], ['/events/stats/returning?userId=u']],
  'GET /events/stats/user': [['/events/stats/user?userId=u']],
  'GET /events/suggestions': [
    ['/events/suggestions?of=userId&prefix=u'],
    ['/events/suggestions?of=payload.a'],
    ['/events/suggestions?of=property'],
  ],
  'GET /consumer-groups': [['/consumer-groups']],
  'GET /retention': [['/retention'], ['/retention?days=3']],
  'GET /events/:eventId': [['/events/00000000-0000-4000-8000-000000000000']],
  'GET /dead-letters': [['/dead-letters'], ['/dead-letters?waiting=true']],
  'GET /dead-letters/:id': [['/dead-letters/1']],
  'POST /dead-letters/redrive': [
    ...[{ all: true }, { ids: ['1'] }].map((body): [string, RequestInit] => [
      '/dead-letters/redrive',
      { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) },
    ]),
  ],
};

/** The routes whose documents say that they need the store. */
async function routesThatNeedIt(url: string): Promise<string[]> {
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { responses: object }>>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { responses }]) => JSON.stringify(responses).includes('`store_unavailable`:'))
      .map(([method]) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  );
}

describe('while the store is away', () => {
  it.each(Object.keys(REQUESTS))(
    '%s is answered with 503 and when to come back, and events are still taken',
    async (route) => {
      const { url } = await serviceHere(NO_STORE);
      for (const [path, init] of REQUESTS[route]!) {
        const answer = await fetch(`${url}${path}`, init);
        expect([path, answer.status, await answer.json()]).toEqual([
          path,
          503,
          { success: false, error: ERRORS.store_unavailable.message },
        ]);
        const header = (name: string) => answer.headers.get(name);
        expect([header('error-code'), header('error-retryable'), header('retry-after')]).toEqual([
          'store_unavailable',
          'true',
          '5',
        ]);
        expect(header('content-type')).toBe('application/json; charset=utf-8');
      }
      expect((await post(url, EVENT)).status).toBe(201);
    },
  );

  it('every route that needs it is among these', async () => {
    const { url } = await serviceHere(NO_STORE);
    expect((await routesThatNeedIt(url)).sort()).toEqual(Object.keys(REQUESTS).sort());
  });

  it('an outage is one error in the log, without a stack, and ten warnings a minute, however many ask', async () => {
    const { logger, lines } = listeningLogger();
    const { url } = await serviceHere(NO_STORE, { logger });
    const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}/events/stats`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    await fetch(`${url}/consumer-groups`);
    const own = () => lines.filter(({ msg }) => msg.startsWith('[API]'));
    const failed = () => own().filter(({ msg }) => msg === '[API] Request failed');
    // Of /events/stats ten, and one of /consumer-groups.
    await expect.poll(failed).toHaveLength(11);
    expect(own().filter((line) => !failed().includes(line))).toEqual([
      expect.objectContaining({
        err: { message: 'connect ECONNREFUSED 127.0.0.1:1', code: 'store_unavailable' },
      }),
    ]);
  });

  it('/readyz says why in one line', async () => {
    const { url } = await serviceHere(NO_STORE);
    await expect
      .poll(async () => (await fetch(`${url}/readyz`)).json())
      .toMatchObject({ store: { ok: false, reason: 'connect ECONNREFUSED 127.0.0.1:1' } });
  });
});
