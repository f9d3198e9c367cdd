import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { runCommand } from '../support/run-command.ts';
import { post, serviceHere, store } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

const clock = { ...systemClock, date: () => new Date('2026-11-27T12:00:00Z') };

async function json<T>(address: string): Promise<T> {
  const response = await fetch(address);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

interface Stats {
  total: number;
  keptFrom: string | null;
}

/** A folder with four events of September and one of November, and the id of one of the four. */
async function filled(): Promise<{ folder: string; oldId: string }> {
  const oldId = randomUUID();
  const event = (timestamp: string, more: object = {}) => {
    return { userId: 'ada', eventType: 'LOGIN', timestamp, ...more };
  };
  const { url, folder, stop } = await serviceHere({}, { clock });
  await store(url, [
    event('2026-09-01T10:00:00Z', { eventId: oldId }),
    event('2026-09-01T11:00:00Z', { userId: 'only then' }),
    event('2026-09-02T10:00:00Z', { eventType: 'PRODUCT_VIEW', payload: { productId: 'p' } }),
    event('2026-09-30T10:00:00Z'),
    event('2026-11-20T10:00:00Z'),
  ]);
  await stop();
  return { folder, oldId };
}

it('says what would go, then removes it, and what was counted of it', async () => {
  const { folder } = await filled();
  const before = await serviceHere({ DATA_DIR: folder }, { clock });
  expect(await json(`${before.url}/retention?days=90`)).toMatchObject({ types: [{ expired: 0 }, {}] });
  expect(await json(`${before.url}/retention?days=30`)).toEqual({
    retentionDays: 30,
    types: [
      { eventType: 'LOGIN', retentionDays: 30, keepsFrom: '2026-10-28', events: 4, expired: 3 },
      { eventType: 'PRODUCT_VIEW', retentionDays: 30, keepsFrom: '2026-10-28', events: 1, expired: 1 },
    ],
    keptFrom: null,
  });
  expect(await json(`${before.url}/retention`)).toMatchObject({
    retentionDays: null,
    types: [{ retentionDays: null, keepsFrom: null, expired: 0 }, {}],
  });
  const shown = await runCommand(['retention', '--days', '30', '--url', before.url]);
  expect(shown.stdout).toMatch(/^If events were kept for 30 days:\n.*would go.*LOGIN.*2026-10-28.*4.*3/s);
  expect(await json<Stats>(`${before.url}/events/stats`)).toMatchObject({ total: 5, keptFrom: null });
  await before.stop();

  const { url } = await serviceHere({ DATA_DIR: folder, RETENTION_DAYS: '30' }, { clock });
  const total = async () => (await json<Stats>(`${url}/events/stats`)).total;
  await expect.poll(total).toBe(1);
  expect(await json(`${url}/events/stats`)).toMatchObject({ keptFrom: '2026-10-28' });
  expect(await json(`${url}/events/processed?userId=only%20then`)).toEqual([]);
  expect(await json(`${url}/events/stats/user?userId=only%20then`)).toMatchObject({ events: 0, first: null });
  expect(await json(`${url}/retention`)).toMatchObject({
    retentionDays: 30,
    types: [{ eventType: 'LOGIN', events: 1, expired: 0 }],
    keptFrom: '2026-10-28',
  });
  const own = await runCommand(['retention', '--url', url]);
  expect(own.stdout).toContain('Events are kept for 30 days, unless their type says otherwise.');
  expect(own.stdout).toContain('Events before 2026-10-28, of some type, are gone for good.');
});

it('refuses events that are too old, and does not store again what it removed, and nothing is missing', async () => {
  const { folder, oldId } = await filled();
  const { url, stop } = await serviceHere({ DATA_DIR: folder, RETENTION_DAYS: '30' }, { clock });
  await expect.poll(async () => (await json<Stats>(`${url}/events/stats`)).total).toBe(1);
  const old = { userId: 'ada', eventType: 'LOGIN', timestamp: '2026-10-27T23:59:59Z' };
  const sent = await fetch(`${url}/events/batch`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify([old, { ...old, timestamp: '2026-10-28T00:00:00Z' }]),
  });
  const { results } = (await sent.json()) as { results: { code?: string; errors?: string[] }[] };
  expect(results).toMatchObject([
    {
      code: 'invalid_event',
      errors: ['timestamp must not be before 2026-10-28: older LOGIN events are not kept'],
    },
    { eventId: expect.any(String) },
  ]);
  // Sent once more without its time, the removed event looks like a new one.
  const again = await post(url, { userId: 'ada', eventType: 'LOGIN', eventId: oldId });
  expect([again.status, again.headers.get('error-code'), again.headers.get('error-retryable')]).toEqual([
    410,
    'event_removed',
    'false',
  ]);
  interface Groups {
    groups: { partitions: { stored: number; expired: number; unaccounted: number }[] }[];
  }
  const account = async () => (await json<Groups>(`${url}/consumer-groups`)).groups[0]!.partitions[0];
  await expect.poll(account).toMatchObject({ stored: 6, expired: 0, unaccounted: 0 });
  expect((await json<Stats>(`${url}/events/stats`)).total).toBe(2);
  await stop();
  const verified = await runCommand(['verify'], { DATA_DIR: folder });
  expect(verified).toMatchObject({ code: 0 });
  expect(verified.stdout).toContain('6 records = 2 stored + 0 dead-lettered + 4 too old to be kept + 0 not');
});

it('keeps a type as long as the catalog says, whatever the setting', async () => {
  const { folder } = await filled();
  const catalog = await tempFolder();
  await writeFile(`${catalog}/PRODUCT_VIEW.1.json`, JSON.stringify({ 'x-retention-days': 400 }));
  const env = { DATA_DIR: folder, RETENTION_DAYS: '30', EVENT_CATALOG: catalog };
  const { url } = await serviceHere(env, { clock });
  await expect.poll(async () => (await json<Stats>(`${url}/events/stats`)).total).toBe(2);
  expect(await json(`${url}/retention`)).toMatchObject({
    types: [
      { eventType: 'LOGIN', retentionDays: 30, events: 1 },
      { eventType: 'PRODUCT_VIEW', retentionDays: 400, keepsFrom: '2025-10-23', events: 1, expired: 0 },
    ],
  });
});
