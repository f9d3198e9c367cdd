import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { createKey } from '../../src/access/api-keys.ts';
import { ERRORS } from '../../src/errors.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { appendIn } from '../support/embedded-log.ts';
import { post, serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

const EVENT = { userId: 'u', eventType: 'LOGIN' };

async function metricsOf(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

function namesOf(text: string, type = '\\w+'): string[] {
  return [...text.matchAll(new RegExp(`^# TYPE (\\S+) ${type}$`, 'gm'))].map((found) => found[1]!);
}

/** The series of a metric, as they are written, without their values. */
function seriesOf(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`^(${name}(?:\\{.*\\})?) \\S+$`, 'gm'))].map((found) => found[1]!);
}

it('has one prefix for all metrics but those of the process and of Node.js', async () => {
  const { url } = await serviceHere();
  const names = namesOf(await metricsOf(url));
  expect(names.filter((name) => !/^(footfall|process|nodejs)_/.test(name))).toEqual([]);
  expect(names.filter((name) => name.startsWith('footfall_')).length).toBeGreaterThan(20);
});

it('shows every counter from the start, with every value that its labels can have', async () => {
  const { url } = await serviceHere();
  // Partitions are known once the log has said which there are.
  const partitions = ['data_gap_records', 'log_rewound_records'];
  for (const name of partitions)
    await expect
      .poll(async () => seriesOf(await metricsOf(url), `footfall_${name}_total`))
      .toEqual([`footfall_${name}_total{partition="0"}`]);
  const text = await metricsOf(url);
  const missing = namesOf(text, 'counter').filter((name) => seriesOf(text, name).length === 0);
  expect(missing).toEqual([]);
  expect(seriesOf(text, 'footfall_events_rejected_total')).toEqual(
    Object.keys(ERRORS).map((code) => `footfall_events_rejected_total{code="${code}"}`),
  );
  expect(seriesOf(text, 'footfall_dead_letters_total')).toEqual(
    ['empty', 'not-json', 'invalid'].map((reason) => `footfall_dead_letters_total{reason="${reason}"}`),
  );
});

/** @param series as it is written, such as `name{label="value"}` */
function seriesValue(text: string, series: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

it('measures requests by their route and status, and no stream, which lasts as long as its reader likes', async () => {
  const { url } = await serviceHere();
  await post(url, EVENT);
  await post(url, {});
  await fetch(`${url}/events/some-id`);
  await fetch(`${url}/not/a/route`);
  const stream = await fetch(`${url}/events/stream`);
  await stream.body!.cancel();
  const counted = async () =>
    [...(await metricsOf(url)).matchAll(/^footfall_http_request_seconds_count\{(.*)\} (\d+)$/gm)]
      .map(([, labels, count]) => `${labels} ${count}`)
      .filter((line) => !line.includes('/metrics'));
  await expect.poll(async () => seriesValue(await metricsOf(url), 'footfall_streams_open')).toBe(0);
  expect(await counted()).toEqual([
    'method="POST",route="/events/generate",status="201" 1',
    'method="POST",route="/events/generate",status="400" 1',
    'method="GET",route="/events/:eventId",status="404" 1',
    'method="GET",route="none",status="404" 1',
  ]);
});

it('says who sends, and of which types, without a text that a client chose', async () => {
  const [sender, reader] = [
    createKey({ name: 'shop', scopes: ['write'] }),
    createKey({ name: 'prometheus', scopes: ['metrics'] }),
  ];
  const keys = JSON.stringify([sender.entry, reader.entry]);
  const { url } = await serviceHere({ API_KEYS: keys, UNKNOWN_EVENT_TYPES: 'accept' });
  const authorized = { Authorization: `Bearer ${sender.key}` };
  const again = { ...EVENT, eventId: '00000000-0000-4000-8000-000000000001' };
  for (const event of [again, again, { ...EVENT, eventType: 'MADE_UP' }, {}])
    await post(url, event, authorized);
  expect((await post(url, EVENT)).status).toBe(401);
  const metrics = await fetch(`${url}/metrics`, { headers: { Authorization: `Bearer ${reader.key}` } });
  const text = await metrics.text();
  const results = ['accepted', 'duplicate', 'rejected'].map((result) =>
    seriesValue(text, `footfall_events_by_key_total{key="shop",result="${result}"}`),
  );
  expect(results).toEqual([2, 1, 1]);
  expect(seriesValue(text, 'footfall_events_by_key_total{key="prometheus",result="rejected"}')).toBe(0);
  expect(seriesValue(text, 'footfall_events_by_type_total{type="other"}')).toBe(1);
  expect(text).not.toContain('MADE_UP');
  expect(text).not.toContain('key="none"');
});

it('says which dependency is away, since when, and that reading it fails', async () => {
  const store = new MemoryStore();
  const { url } = await serviceHere({}, { store });
  const up = async (dependency: string) =>
    seriesValue(await metricsOf(url), `footfall_dependency_up{dependency="${dependency}"}`);
  const since = async () =>
    seriesValue(await metricsOf(url), 'footfall_dependency_changed_timestamp_seconds{dependency="store"}')!;
  await expect.poll(() => up('consumer')).toBe(1);
  const before = await since();
  vi.spyOn(store, 'ping').mockRejectedValue(new Error('away'));
  vi.spyOn(store, 'countWaiting').mockRejectedValue(new Error('away'));
  vi.spyOn(store, 'watermarks').mockRejectedValue(new Error('away'));
  await expect.poll(() => up('store')).toBe(0);
  expect(await up('log')).toBe(1);
  expect(await since()).toBeGreaterThan(before);
  await fetch(`${url}/events/processed`);
  expect(
    seriesValue(await metricsOf(url), 'footfall_store_failures_total{operation="watermarks"}'),
  ).toBeGreaterThan(0);
});

it('says how many dead letters wait, by reason', async () => {
  const folder = await tempFolder();
  await appendIn(folder, ['not JSON', 'nor this', null], { key: 'key', headers: [] });
  const { url } = await serviceHere({ DATA_DIR: folder });
  const waiting = async () => (await metricsOf(url)).match(/^footfall_dead_letters_waiting\{.*/gm);
  await expect
    .poll(waiting)
    .toEqual([
      'footfall_dead_letters_waiting{reason="empty"} 1',
      'footfall_dead_letters_waiting{reason="not-json"} 2',
      'footfall_dead_letters_waiting{reason="invalid"} 0',
    ]);
});

it('says what runs, since when, and what is left of the disk', async () => {
  const { url, folder } = await serviceHere();
  const text = await metricsOf(url);
  expect(text).toContain(
    `footfall_build_info{log="embedded",store="sqlite",version="${packageJson.version}",node="${process.versions.node}"} 1`,
  );
  expect(seriesValue(text, 'footfall_process_start_time_seconds{role="all"}')).toBeCloseTo(
    performance.timeOrigin / 1000,
  );
  expect(seriesValue(text, 'footfall_process_resident_memory_bytes{role="all"}')).toBeGreaterThan(1e6);
  expect(seriesValue(text, 'footfall_store_bytes')).toBeGreaterThanOrEqual(
    statSync(join(folder, 'footfall.db')).size,
  );
  expect(seriesValue(text, 'footfall_disk_free_bytes')).toBeGreaterThan(0);
});
