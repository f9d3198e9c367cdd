import { join } from 'node:path';
import { ROOT_CONTEXT } from '@opentelemetry/api';
import { SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace';
import { expect, it, vi } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { openSqliteFile } from '../../src/sqlite/sqlite-file.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { openCollector, type ReceivedSpan } from '../support/collector.ts';
import { logIn } from '../support/embedded-log.ts';
import { listeningLogger } from '../support/logger.ts';
import { post, processed, serviceHere, store as storeAll } from '../support/service.ts';

const EVENT = { userId: 'u', eventType: 'LOGIN', payload: { secret: 'a-secret' } };
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SENDER = 'b7ad6b7169203331';

async function traced(env: Record<string, string> = {}) {
  const collector = await openCollector();
  const store = new MemoryStore();
  const all = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER: 'parentbased_always_on' };
  const service = await serviceHere({ ...all, ...env }, { store });
  /** All of them: what is not sent yet is when the service stops. */
  const spans = async () => {
    await service.stop();
    return collector.spans;
  };
  return { ...service, collector, store, spans };
}

function named(spans: readonly ReceivedSpan[], name: string): ReceivedSpan[] {
  return spans.filter((span) => span.name === name);
}

it('continues the trace of the sender over the log into the store', async () => {
  const { url, spans, collector } = await traced();
  await post(url, EVENT, { traceparent: `00-${TRACE}-${SENDER}-01`, 'X-Request-Id': 'mine-1' });
  await expect.poll(() => processed(url)).toHaveLength(1);
  const own = (await spans()).filter(({ traceId }) => traceId === TRACE);
  const [request] = named(own, 'POST /events/generate');
  const [published] = named(own, 'publish user-activity-events');
  const [processing] = named(own, 'process');
  const [stored] = named(own, 'store');
  expect([request, published, processing, stored].map((span) => span?.parentId)).toEqual([
    SENDER,
    request!.spanId,
    published!.spanId,
    processing!.spanId,
  ]);
  expect(request!.attributes).toMatchObject({
    'http.request.method': 'POST',
    'http.route': '/events/generate',
    'http.response.status_code': 201,
    'footfall.request_id': 'mine-1',
  });
  expect(own).toHaveLength(4);
  expect(collector.paths[0]).toBe('POST /v1/traces');
  expect(JSON.stringify(collector.spans)).not.toContain('a-secret');
});

it('links what processes events of many requests to each of them', async () => {
  const { url, store, spans } = await traced();
  // Until both are in the log, none is read.
  const sent = Promise.withResolvers<void>();
  const claim = store.claim.bind(store);
  vi.spyOn(store, 'claim').mockImplementation(async (...given) => {
    await sent.promise;
    return claim(...given);
  });
  await Promise.all([post(url, EVENT), post(url, EVENT)]);
  sent.resolve();
  await expect.poll(() => processed(url)).toHaveLength(2);
  const all = await spans();
  const published = named(all, 'publish user-activity-events').map(
    ({ traceId, spanId }) => `${traceId}-${spanId}`,
  );
  const processing = named(all, 'process');
  const links = processing.flatMap((span) => span.links);
  expect(processing).toHaveLength(1);
  expect(links.sort()).toEqual(published.sort());
  expect(published).toHaveLength(2);
});

it('says that a request failed', async () => {
  const { url, store, spans } = await traced();
  vi.spyOn(store, 'watermarks').mockRejectedValue(new Error('broken'));
  await fetch(`${url}/events/processed`);
  const [request] = named(await spans(), 'GET /events/processed');
  expect(request).toMatchObject({ failed: true, attributes: { 'http.response.status_code': 500 } });
});

it('traces no request that its sender does not trace, as the sampler says, and none that asks for health', async () => {
  const { url, spans } = await traced({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' });
  await storeAll(url, [EVENT]);
  await fetch(`${url}/readyz`);
  await fetch(`${url}/metrics`);
  await post(url, EVENT, { traceparent: `00-${TRACE}-${SENDER}-00` });
  await post(url, EVENT, { traceparent: 'no trace' });
  await expect.poll(() => processed(url)).toHaveLength(3);
  expect(await spans()).toEqual([]);
});

it('samples so many of the requests, by an id that a sampler with the same ratio would take', async () => {
  const { url, spans } = await traced({
    OTEL_TRACES_SAMPLER: 'traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.5',
  });
  await Promise.all(Array.from({ length: 64 }, () => post(url, EVENT)));
  const all = await spans();
  const sampler = new TraceIdRatioBasedSampler(0.5);
  const requests = named(all, 'POST /events/generate');
  const isSampled = ({ traceId }: ReceivedSpan) =>
    sampler.shouldSample(ROOT_CONTEXT, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED;
  expect(requests.filter(isSampled)).toEqual(requests);
  // All or none: once in 2 to the power of 63.
  expect(requests.length).toBeGreaterThan(0);
  expect(requests.length).toBeLessThan(64);
  const published = named(all, 'publish user-activity-events').map(({ traceId }) => traceId);
  expect(published.sort()).toEqual(requests.map(({ traceId }) => traceId).sort());
  expect(new Set(published).size).toBe(published.length);
});

it('begins nothing for strangers, whatever they send', async () => {
  const { key, entry } = createKey({ name: 'shop', scopes: ['write'] });
  const { url, spans } = await traced({ API_KEYS: JSON.stringify([entry]) });
  const headers = { traceparent: `00-${TRACE}-${SENDER}-01` };
  expect((await post(url, EVENT, headers)).status).toBe(401);
  expect((await post(url, EVENT, { ...headers, Authorization: `Bearer ${key}` })).status).toBe(201);
  const requests = named(await spans(), 'POST /events/generate');
  expect(requests.map(({ attributes }) => attributes['footfall.key'])).toEqual(['shop']);
});

it('works, and warns once, while the collector is away', async () => {
  const { logger, lines } = listeningLogger();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_TRACES_SAMPLER: 'always_on' };
  const { url, stop } = await serviceHere(env, { logger });
  expect((await post(url, EVENT)).status).toBe(201);
  await stop();
  expect(lines.filter(({ msg }) => msg.startsWith('Traces cannot be sent'))).toHaveLength(1);
});

it.each([
  [
    'carries its step in the log',
    { OTEL_TRACES_SAMPLER: 'always_on' },
    '01',
    [expect.stringMatching(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`)],
  ],
  ['carries none that its sender does not trace', {}, '00', []],
  ['carries none when it is off', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, '01', []],
])('%s', async (_, env, flags, expected) => {
  const { url, folder, stop } = await traced(env);
  await post(url, EVENT, { traceparent: `00-${TRACE}-${SENDER}-${flags}` });
  await stop();
  const file = openSqliteFile(join(folder, 'footfall.db'));
  const [record] = await logIn(file).read('user-activity-events', [{ partition: 0, offset: 0 }]);
  file.close();
  const headers = record!.headers.filter(([name]) => name === 'traceparent');
  expect(headers.map(([, value]) => value!.toString())).toEqual(expected);
});
