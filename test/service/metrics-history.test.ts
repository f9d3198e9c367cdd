import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { systemClock } from '../../src/clock.ts';
import { SAMPLE_EVERY_MS } from '../../src/operations/metrics-history.ts';
import { post, serviceHere, store } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Time as it is, but for the pause between two samples. */
const hasty = {
  ...systemClock,
  sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms === SAMPLE_EVERY_MS ? 20 : ms, signal),
};

interface Answer {
  samples: Record<string, number | string | null>[];
}

async function samplesOf(url: string, query = ''): Promise<Answer['samples']> {
  const response = await fetch(`${url}/metrics/history${query}`);
  expect(response.status).toBe(200);
  return ((await response.json()) as Answer).samples;
}

it('shows what was written, stored and refused, and how long it took', async () => {
  const { url } = await serviceHere({}, { clock: hasty });
  await store(url, [{ userId: 'u', eventType: 'LOGIN' }]);
  await post(url, '{}');
  const has = async (test: (sample: Answer['samples'][0]) => boolean) => (await samplesOf(url)).some(test);
  await expect.poll(() => has(({ written }) => Number(written) > 0)).toBe(true);
  await expect.poll(() => has(({ processed }) => Number(processed) > 0)).toBe(true);
  await expect.poll(() => has(({ rejected }) => Number(rejected) > 0)).toBe(true);
  await expect.poll(() => has(({ appendSeconds }) => Number(appendSeconds) > 0)).toBe(true);
  await expect.poll(() => has(({ storeSeconds }) => Number(storeSeconds) > 0)).toBe(true);
  const newest = (await samplesOf(url, '?minutes=1')).at(-1)!;
  expect(newest).toMatchObject({ lag: 0, lagSeconds: 0 });
});

it.each(['minutes=0', 'minutes=721', 'minutes=x', 'hours=1'])('refuses ?%s', async (query) => {
  const { url } = await serviceHere();
  const response = await fetch(`${url}/metrics/history?${query}`);
  expect([response.status, response.headers.get('error-code')]).toEqual([400, 'invalid_query']);
});

it('is for keys that may read metrics', async () => {
  const keys = (['write', 'metrics', 'read'] as const).map((scope) =>
    createKey({ name: scope, scopes: [scope] }),
  );
  const file = join(await tempFolder(), 'keys.json');
  await writeFile(file, JSON.stringify(keys.map(({ entry }) => entry)));
  const { url } = await serviceHere({ API_KEYS_FILE: file });
  const statuses = keys.map(async ({ key }) => {
    return (await fetch(`${url}/metrics/history`, { headers: { Authorization: `Bearer ${key}` } })).status;
  });
  expect(await Promise.all(statuses)).toEqual([403, 200, 200]);
});
