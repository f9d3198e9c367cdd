import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { ERRORS } from '../../src/errors.ts';
import { startService } from '../../src/service.ts';
import { silentLogger } from '../support/logger.ts';
import { post, processed, serviceHere } from '../support/service.ts';
import { tempFolder } from '../support/temp-folder.ts';

const options = { logger: silentLogger };

describe('the service', () => {
  it('has everything again after a restart', async () => {
    const { url, stop, folder } = await serviceHere();
    await post(url, { userId: 'u', eventType: 'LOGIN' });
    await stop();
    const again = await serviceHere({ DATA_DIR: folder });
    await expect.poll(async () => (await processed(again.url)).length).toBe(1);
  });

  it('rebuilds a memory store from the log at each start', async () => {
    const first = await serviceHere({ DATABASE_URL: 'memory:' });
    for (const userId of ['a', 'b', 'c']) await post(first.url, { userId, eventType: 'LOGIN' });
    await first.stop();
    const again = await serviceHere({ DATABASE_URL: 'memory:', DATA_DIR: first.folder });
    await expect
      .poll(async () => (await processed(again.url)).map(({ userId }) => userId))
      .toEqual(['a', 'b', 'c']);
  });

  it('keeps the store in a file of its own when told so', async () => {
    const folder = await tempFolder();
    const { url } = await serviceHere({ DATA_DIR: folder, DATABASE_URL: `sqlite:${folder}/store.db` });
    await post(url, { userId: 'u', eventType: 'LOGIN' });
    await expect.poll(async () => (await processed(url)).length).toBe(1);
  });

  it('refuses a data directory that is in use, and leaves it usable', async () => {
    const { folder, url, stop } = await serviceHere();
    const config = loadConfig({ PORT: '0', DATA_DIR: folder });
    await expect(startService(config, options)).rejects.toThrow('is in use by another process');
    expect((await post(url, { userId: 'u', eventType: 'LOGIN' })).status).toBe(201);
    await stop();
    await serviceHere({ DATA_DIR: folder });
  });

  it('says that the port is taken, and lets go of its files', async () => {
    const { url } = await serviceHere();
    const folder = await tempFolder();
    const config = loadConfig({ PORT: new URL(url).port, DATA_DIR: folder });
    await expect(startService(config, options)).rejects.toThrow(/Port \d+ on 127.0.0.1 is taken/);
    await serviceHere({ DATA_DIR: folder });
  });

  it('passes on why an address cannot be listened on', async () => {
    const config = loadConfig({ PORT: '0', HOST: '192.0.2.1', AUTH: 'off', DATA_DIR: await tempFolder() });
    await expect(startService(config, options)).rejects.toThrow('EADDRNOTAVAIL');
  });

  it('starts without Kafka and PostgreSQL and says so', async () => {
    const { url } = await serviceHere({
      KAFKA_BROKERS: '127.0.0.1:1',
      DATABASE_URL: 'postgres://u:p@127.0.0.1:1/d',
      KAFKA_PRODUCER_RETRIES: '1',
      KAFKA_PRODUCER_TIMEOUT_MS: '3000',
    });
    const health = await fetch(`${url}/health`);
    expect([health.status, await health.text()]).toEqual([
      503,
      '{"status":"degraded","producer":"disconnected","consumer":"disconnected"}',
    ]);
    const answer = await post(url, { userId: 'u', eventType: 'LOGIN' });
    expect([answer.status, await answer.text()]).toEqual([
      500,
      '{"success":false,"error":"Failed to publish event to Kafka"}',
    ]);
    expect([answer.headers.get('retry-after'), answer.headers.get('error-retryable')]).toEqual(['1', 'true']);
    const events = await fetch(`${url}/events/processed`);
    expect([events.status, await events.text()]).toEqual([
      503,
      JSON.stringify({ success: false, error: ERRORS.store_unavailable.message }),
    ]);
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
      status: 'not ready',
      log: { ok: false, reason: expect.any(String) },
      store: { ok: false, reason: expect.any(String) },
    });
  });

  it('stops twice without complaint', async () => {
    const { stop } = await serviceHere();
    await Promise.all([stop(), stop()]);
  });

  it('in the consumer role answers probes only', async () => {
    const { url } = await serviceHere({
      ROLE: 'consumer',
      KAFKA_BROKERS: '127.0.0.1:1',
      DATABASE_URL: 'postgres://u:p@127.0.0.1:1/d',
    });
    expect((await post(url, { userId: 'u', eventType: 'LOGIN' })).status).toBe(404);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });
});
