import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { KAFKA_4 } from '../../src/cli/kafka/kafka-jars.ts';
import { KafkaServer } from '../../src/cli/kafka/kafka-server.ts';
import { findChromium } from '../support/chromium.ts';
import { GREEN, openPage } from '../support/page.ts';
import { post, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { sharedFolder } from '../support/temp-folder.ts';

const browser = findChromium();
const EVENT = { userId: 'ada', eventType: 'LOGIN' };

describe.runIf(browser)('the page, while something is down,', () => {
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
