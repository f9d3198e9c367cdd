import { randomUUID } from 'node:crypto';
import { request as ask, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Producer } from '@platformatic/kafka';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { findChromium } from '../support/chromium.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { audit, copiedBy, openPage } from '../support/page.ts';
import { post, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { answerOf } from '../support/shell.ts';

const brokers = inject('kafka4');
const browser = findChromium();
const LOGIN = { userId: 'ada', eventType: 'LOGIN' };

describe.runIf(browser)('the page', () => {
  it('lists rejected events page by page, and those of one caller', async () => {
    const [write, read] = (['write', 'read'] as const).map((scope) =>
      createKey({ name: scope === 'write' ? 'shop' : 'support', scopes: [scope] }),
    );
    const service = await ServiceProcess.start({ API_KEYS: JSON.stringify([write!.entry, read!.entry]) });
    const bodies = Array.from({ length: 60 }, (_, at) => ({
      userId: '',
      eventType: 'LOGIN',
      payload: { at },
    }));
    await fetch(`${service.url}/events/batch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${write!.key}` },
      body: JSON.stringify(bodies),
    });
    const page = await openPage(browser!, service.url);
    await page.getByRole('textbox', { name: 'Key' }).fill(read!.key);
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.goto(`${service.url}/#/rejected?caller=shop`);
    await page.getByText('50 rejected events so far').waitFor();
    await page.getByRole('button', { name: 'Load more' }).click();
    await page.getByText('60 rejected events').waitFor();
    await page.getByLabel('Caller').fill('nobody');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.getByText('None match').waitFor();
    await page.getByRole('link', { name: 'Show all' }).click();
    await page.locator('summary').first().click();
    await page.getByText('by shop').first().waitFor();
  });

  it.runIf(brokers)(
    'lists what each process of an instance rejected, whichever of them answers',
    async () => {
      // As processes of one instance, but that it is known which of them answers.
      const settings = await kafkaAndPostgres();
      const services = [await ServiceProcess.start(settings), await ServiceProcess.start(settings)];
      const processes = new Set<string>();
      const each = 90;
      for (const { url } of services) {
        await fetch(`${url}/events/batch`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(new Array(each).fill({ userId: '', eventType: 'LOGIN' })),
        });
        const list = await fetch(`${url}/events/rejected`);
        processes.add(((await list.json()) as { process: string }).process);
      }
      const sent = each * services.length;
      const url = await takingTurns(services.map((service) => service.url));
      const page = await openPage(browser!, url);
      const answered: string[] = [];
      page.on('response', async (response) => {
        if (!response.url().includes('/events/rejected')) return;
        // The last one may come when the page is closed.
        const answer = (await response.json().catch(() => undefined)) as { process: string } | undefined;
        if (answer !== undefined) answered.push(answer.process);
      });
      await page.goto(`${url}/#/rejected?code=invalid_event`);
      const rows = page.locator('.refusals > li');
      await expect.poll(() => rows.count()).toBe(100);
      while (await page.getByRole('button', { name: 'Load more' }).isVisible()) {
        const before = await rows.count();
        await page.getByRole('button', { name: 'Load more' }).click();
        await expect.poll(() => rows.count()).toBeGreaterThan(before);
      }
      expect(await rows.count()).toBe(sent);

      // Both go on to answer, and the list stays.
      answered.length = 0;
      const counts = new Set<number>();
      await expect
        .poll(async () => {
          counts.add(await rows.count());
          return new Set(answered);
        })
        .toEqual(processes);
      expect(counts).toEqual(new Set([sent]));
    },
  );

  it('shows a newcomer how to send the first event with a key, where one is needed, and does not show the key', async () => {
    const { key, entry } = createKey({ name: 'me', scopes: ['read', 'write'] });
    const service = await ServiceProcess.start({ API_KEYS: JSON.stringify([entry]) });
    const page = await openPage(browser!, service.url);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('textbox', { name: 'Key' }).fill(key);
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByRole('heading', { name: 'No events yet' }).waitFor();
    const command = await copiedBy(page, 'Copy command');
    expect(command).not.toContain(key);
    expect(await answerOf(command, { FOOTFALL_KEY: key })).toMatchObject({ status: 201 });
    await page.locator('.events').getByText('ada').waitFor();
  });

  it('shows in Live what became of each event, and only what is chosen, which the address holds', async () => {
    const service = await ServiceProcess.start();
    const eventId = randomUUID();
    await store(service.url, [{ ...LOGIN, eventId }]);
    await post(service.url, { ...LOGIN, eventId });
    const page = await openPage(browser!, service.url);
    await page.goto(`${service.url}/#/live`);
    const outcomes = () => page.locator('.outcomes .outcome').allTextContents();
    await expect.poll(outcomes).toEqual(['duplicate', 'stored']);
    await post(service.url, { ...LOGIN, eventId, userId: 'eve' });
    await expect.poll(outcomes).toEqual(['conflict', 'duplicate', 'stored']);
    await post(service.url, { ...LOGIN, eventType: 'LOGN' });
    await expect.poll(outcomes).toEqual(['rejected', 'conflict', 'duplicate', 'stored']);
    await audit(page);
    await page.getByRole('button', { name: /^stored/ }).click();
    await page.getByRole('button', { name: /^duplicate/ }).click();
    await expect.poll(outcomes).toEqual(['rejected', 'conflict']);
    await page.reload();
    await expect.poll(outcomes).toEqual(['rejected', 'conflict']);
    await page.getByLabel('User').fill('eve');
    await page.getByRole('button', { name: 'Filter' }).click();
    await expect.poll(outcomes).toEqual(['conflict']);
    expect(new URL(page.url()).hash).toBe(
      '#/live?userId=eve&outcome=conflict&outcome=rejected&outcome=dead-lettered',
    );

    // From there to the reason.
    await page.locator('.outcomes .when').click();
    await page.getByRole('heading', { name: 'Rejected event' }).waitFor();
    await page.getByText('You have already sent a different event with this id').waitFor();
    await page.locator('pre').getByText('eve').waitFor();
  });

  it('counts what waits of every outcome while Live is paused, and says how many it could not list', async () => {
    const service = await ServiceProcess.start();
    const page = await openPage(browser!, service.url);
    await page.goto(`${service.url}/#/live`);
    await page.getByRole('status').getByText('Live', { exact: true }).waitFor();
    await post(service.url, '{}');
    await page.locator('.outcomes').getByText('rejected', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await store(service.url, [LOGIN]);
    await page.getByText('Paused, 1 event waiting').waitFor();
    const wrong = Array.from({ length: 80 }, () => ({ userId: '', eventType: 'LOGIN' }));
    await fetch(`${service.url}/events/batch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(wrong),
    });
    await page.getByText('Paused, 52 events waiting').waitFor();
    expect(await page.locator('.outcomes .outcome').count()).toBe(1);
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByText('30 more events rejected here than this page could read.').waitFor();
    expect(await page.locator('.outcomes .outcome').count()).toBe(52);
    await page.getByRole('button', { name: /^rejected 51/ }).waitFor();
  });

  it('holds back no more than a browser can take while paused, reads the rest afterwards, and counts all of it', async () => {
    const service = await ServiceProcess.start();
    const page = await openPage(browser!, service.url);
    await page.goto(`${service.url}/#/live`);
    await page.getByRole('heading', { name: 'No events yet' }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await store(service.url, new Array(7000).fill(LOGIN));
    await page.getByText('events waiting, and more at the service').waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'stored 7,000' }).waitFor();
    await page.getByText('6,000 older events left this list.').waitFor();
    expect(await page.locator('.outcomes li').count()).toBe(1000);
  });

  it.runIf(brokers)('shows dead letters and duplicates of the log in Live', async () => {
    const settings = await kafkaAndPostgres();
    const topic = settings.KAFKA_TOPIC;
    const service = await ServiceProcess.start(settings);
    await store(service.url, [{ ...LOGIN, eventId: randomUUID() }]);
    const page = await openPage(browser!, service.url);
    await page.goto(`${service.url}/#/live`);
    await page.locator('.outcomes').getByText('stored').waitFor();
    const producer = new Producer({ clientId: 'other', bootstrapBrokers: [brokers!] });
    onTestFinished(() => producer.close());
    const again = JSON.stringify({
      ...LOGIN,
      userId: 'grace',
      eventId: randomUUID(),
      timestamp: '2024-02-14T10:30:00Z',
      payload: {},
    });
    const values = ['{', again, again];
    await producer.send({ messages: values.map((value) => ({ topic, value: Buffer.from(value) })) });
    const row = (outcome: string) => page.locator('.outcomes li', { hasText: outcome });
    await row('dead-lettered').getByText('not-json').waitFor();
    await row('duplicate').getByRole('link', { name: 'grace' }).waitFor();
    await row('dead-lettered').getByRole('link').click();
    await page.getByRole('heading', { name: 'Dead letter' }).waitFor();
  });
});

/** Brings the requests for each path to one service after the other. */
async function takingTurns(targets: readonly string[]): Promise<string> {
  const asked = new Map<string, number>();
  const server = createServer(({ method, url = '', headers }, response) => {
    const [path] = url.split('?') as [string];
    const times = asked.get(path) ?? 0;
    asked.set(path, times + 1);
    // In pairs, so that one who asks twice each time meets both, too.
    const target = targets[Math.floor(times / 2) % targets.length];
    const options = { method, headers: { ...headers, connection: 'close' }, agent: false };
    ask(`${target}${url}`, options, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
