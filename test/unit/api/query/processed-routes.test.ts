import Fastify from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { processedRoutes } from '../../../../src/api/query/processed-routes.ts';
import { MemoryStore } from '../../../../src/store/memory/memory-store.ts';
import { storing } from '../../../support/storing.ts';

/** The route alone, of a store with so many events. */
async function listOf(events: number) {
  const store = new MemoryStore();
  const storeMore = await storing(store);
  await storeMore(Array.from({ length: events }, (_, number) => ({ json: `{"number":${number + 1}}` })));
  const api = Fastify();
  // The schemas only describe.
  api.setSerializerCompiler(() => JSON.stringify).setValidatorCompiler(() => () => true);
  await api.register(processedRoutes, { store });
  onTestFinished(() => api.close());
  return {
    store,
    get: (query: string, accept = 'application/json') =>
      api.inject({ url: `/events/processed${query}`, headers: { accept } }),
  };
}

describe('a list of stored events', () => {
  it.each([
    ['a cursor', 'cursor=20', 21, 120],
    ['a limit', 'limit=5', 1, 5],
  ])('is a page where it is asked for by %s alone, also one event a line', async (_, query, first, last) => {
    const { store, get } = await listOf(150);
    const { body, headers } = await get(
      `?${query.replace('cursor=', `cursor=${store.storeId}`)}`,
      'application/x-ndjson',
    );
    const numbers = Array.from({ length: last - first + 1 }, (_one, at) => `{"number":${first + at}}\n`);
    expect(body).toBe(numbers.join(''));
    expect(headers.link).toMatch(new RegExp(`cursor=${store.storeId}${last}>; rel="next"$`));
  });

  it('has all that match where lines are asked for with neither', async () => {
    const { get } = await listOf(150);
    const { body, headers } = await get('?order=desc', 'application/x-ndjson');
    expect(body.trimEnd().split('\n')).toHaveLength(150);
    expect(headers.link).toBeUndefined();
  });
});
