import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createDatabase, PostgresServer } from '../../scripts/postgres-server.ts';
import { KAFKA_4 } from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import { findChromium } from '../support/chromium.ts';
import { openPage } from '../support/page.ts';
import { post, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { sharedFolder } from '../support/temp-folder.ts';

const browser = findChromium();
const EVENT = { userId: 'ada', eventType: 'LOGIN' };
/** What the page may show nowhere while something is down or not known. */
const GREEN = '.health.good, .state.live';

describe.runIf(browser)('the page, while something is down,', () => {
  it('names the store, says of when its figures are, and is green only when PostgreSQL is back', async () => {
    const folder = await sharedFolder();
    const postgres = await PostgresServer.start(join(folder, 'postgres'));
    onTestFinished(() => postgres.stop());
    const service = await ServiceProcess.start({ DATABASE_URL: await createDatabase(postgres.url) });
    await store(service.url, [EVENT]);
    const page = await openPage(browser!, service.url);
    await page.getByText('All is well.').waitFor();
    await page.locator('.events').getByText('ada').waitFor();

    await postgres.stop();
    await page.getByText('The store is down since').waitFor();
    expect(await page.locator(GREEN).count()).toBe(0);
    await page.getByText(/Shown as of/).waitFor();
    await page
      .locator('.tiles .stale')
      .getByText(/as of \d/)
      .first()
      .waitFor();
    for (const view of ['Live', 'Search', 'Dead letters', 'Operations']) {
      await page.getByRole('link', { name: view, exact: true }).click();
      await page.getByRole('heading', { name: view }).waitFor();
      if (view === 'Live') await page.getByText(/Connected, but|Not connected|Connection lost/).waitFor();
      else await page.locator('.problem').getByText('The store cannot be read').waitFor();
      expect(await page.getByText('No events match').count()).toBe(0);
      expect(await page.locator(GREEN).count()).toBe(0);
    }

    await postgres.restart();
    await page.getByText('All is well.').waitFor();
    await expect.poll(() => page.locator('.problem').count()).toBe(0);
  });

  it.runIf(inject('kafka4'))('says that the log is down while Kafka is frozen', async () => {
    const folder = await sharedFolder();
    const kafka = await KafkaServer.start({
      version: KAFKA_4,
      port: 0,
      dataDir: join(folder, 'kafka'),
      progress: () => {},
    });
    onTestFinished(() => kafka.stop());
    const service = await ServiceProcess.start({
      KAFKA_BROKERS: kafka.bootstrap,
      KAFKA_TOPIC: `events-${randomUUID()}`,
      DATABASE_URL: 'memory:',
    });
    await expect.poll(async () => (await post(service.url, EVENT)).status).toBe(201);
    const page = await openPage(browser!, service.url);
    await page.getByText('All is well.').waitFor();
    kafka.pause();
    onTestFinished(() => kafka.resume());
    await page.getByText('The log is down since').waitFor();
    expect(await page.locator(GREEN).count()).toBe(0);
    kafka.resume();
    await page.getByText('All is well.').waitFor();
  });

  it('is not green while the service is frozen or stopped, and keeps what it has, with its time', async () => {
    const service = await ServiceProcess.start();
    await store(service.url, [EVENT]);
    const page = await openPage(browser!, service.url);
    await page.getByText('All is well.').waitFor();
    await page.locator('.events').getByText('ada').waitFor();
    service.signal('SIGSTOP');
    await page.getByText('The service does not answer since').waitFor();
    expect(await page.locator(GREEN).count()).toBe(0);
    service.signal('SIGCONT');
    await page.getByText('All is well.').waitFor();
    await service.kill('SIGKILL');
    await page.getByText('The service does not answer since').waitFor();
    expect(await page.locator(GREEN).count()).toBe(0);
    await page.getByText(/Shown as of/).waitFor();
    await page.locator('.events').getByText('ada').waitFor();
  });
});
