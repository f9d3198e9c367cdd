import type { Route } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { findChromium } from '../support/chromium.ts';
import { openPage } from '../support/page.ts';
import { post, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const browser = findChromium();

describe.runIf(browser)('the page', () => {
  it('shows large numbers, decimals, escapes and text that turns round as they were sent', async () => {
    const service = await ServiceProcess.start();
    const payload = '{"orderId":1234567890123456789,"price":10.00,"odd":"\\ud800","turned":"a\u202ebc"}';
    await post(service.url, `{"userId":"ada","eventType":"LOGIN","payload":${payload}}`);
    const page = await openPage(browser!, service.url);
    await page.locator('.events .what').getByText('1234567890123456789,"price":10.00').waitFor();
    await page.getByRole('link', { name: 'ada' }).first().click();
    for (const value of ['1234567890123456789', '10.00', '\\ud800', 'a\\u202ebc']) {
      await page.locator('.members').getByText(value, { exact: true }).first().waitFor();
    }
  });

  it('shows times in UTC or in the zone of the reader, and days that are counted in UTC as such', async () => {
    const service = await ServiceProcess.start();
    await store(service.url, [
      { userId: 'ada', eventType: 'LOGIN', timestamp: '2026-01-02T03:04:05.678Z' },
      { userId: 'ada', eventType: 'LOGIN', timestamp: '2026-01-01T23:00:00.000Z' },
      { userId: 'ada', eventType: 'LOGOUT', timestamp: '2026-01-02T02:00:00.000Z' },
    ]);
    const page = await openPage(browser!, service.url, { timezoneId: 'America/Los_Angeles' });
    await page.goto(`${service.url}/#/users/ada`);
    await page.locator('.timeline').getByText('19:04:05.678').waitFor();
    await page.getByRole('button', { name: /Local/ }).click();
    await page.locator('.timeline').getByText('03:04:05.678').waitFor();
    const clocks = await page.locator('.timeline time').allTextContents();
    expect(clocks).toEqual(['03:04:05.678', '02:00:00.000', '23:00:00.000']);
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByRole('button', { name: 'Last 30 days' }).click();
    await page.getByText('in days of UTC').waitFor();
  });

  it('leads on from a link that was cut off, and says that a view does not exist', async () => {
    const service = await ServiceProcess.start();
    const page = await openPage(browser!, service.url);
    await page.goto(`${service.url}/#/users/50%`);
    await page.getByRole('heading', { name: '50%' }).waitFor();
    await page.goto(`${service.url}/#/nosuchview`);
    await page.getByRole('heading', { name: 'There is no such view' }).waitFor();
    await page.getByRole('link', { name: 'Go to the overview' }).click();
    await page.getByRole('heading', { name: 'No events yet' }).waitFor();
  });

  it('holds back what comes while Live is paused, counts it, and shows all of it', async () => {
    const service = await ServiceProcess.start();
    const event = (userId: string) => ({ userId, eventType: 'LOGIN' });
    await store(service.url, [event('before')]);
    const page = await openPage(browser!, service.url);
    await page.goto(`${service.url}/#/live?eventType=LOGIN`);
    await page.locator('.events').getByText('before').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await store(service.url, [event('while 1'), event('while 2'), { userId: 'x', eventType: 'LOGOUT' }]);
    await page.getByText('Paused, 2 events waiting').waitFor();
    await store(service.url, [event('while 3')]);
    await page.getByText('Paused, 3 events waiting').waitFor();
    await store(service.url, [event('while 4')]);
    await page.getByText('Paused, 4 events waiting').waitFor();
    expect(await page.locator('.events .who').allTextContents()).toEqual(['before']);
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.locator('.events').getByText('while 4').waitFor();
    expect(await page.locator('.events .who').allTextContents()).toEqual([
      'while 4',
      'while 3',
      'while 2',
      'while 1',
      'before',
    ]);
  });

  it('counts an event once however often it is sent, and says that it was a duplicate', async () => {
    const service = await ServiceProcess.start();
    const page = await openPage(browser!, service.url);
    await page.goto(`${service.url}/#/send`);
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByText('Recorded, and safe in the log').waitFor();
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByText('A duplicate: this event was recorded before').waitFor();
    await page.getByRole('link', { name: 'Footfall' }).click();
    await page.getByText('1 at intake*, 0 in the log').waitFor();
    await expect.poll(() => page.locator('.tiles strong').first().textContent()).toBe('1');
  });

  it('says that a key may not read, lets it be changed and forgotten, and asks again when wanted', async () => {
    const [write, read] = (['write', 'read'] as const).map((scope) =>
      createKey({ name: scope, scopes: [scope] }),
    );
    const service = await ServiceProcess.start({
      API_KEYS: JSON.stringify([write!.entry, read!.entry]),
    });
    const page = await openPage(browser!, service.url);
    await page.getByRole('textbox', { name: 'Key' }).fill(write!.key);
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.goto(`${service.url}/#/live`);
    await page.getByText('Not connected: This API key does not allow reading').waitFor();
    await page.getByRole('button', { name: 'Key', exact: true }).click();
    await page.getByRole('textbox', { name: 'Key' }).fill(read!.key);
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByRole('status').getByText('Live', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Key', exact: true }).click();
    await page.getByRole('button', { name: 'Forget the key' }).click();
    await page.getByText('This service asks for an API key.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Not connected: An API key is needed').waitFor();
  });

  it('does not say that the service is silent before it could answer', async () => {
    const service = await ServiceProcess.start();
    const page = await openPage(browser!, service.url);
    await page.goto('about:blank');
    const asked = Promise.withResolvers<Route>();
    await page.route('**/readyz', asked.resolve, { times: 1 });
    await page.goto(`${service.url}/#/live`);
    const first = await asked.promise;
    await page.getByRole('status').getByText('Connected; asking whether events are stored').waitFor();
    await first.continue();
    await page.getByRole('status').getByText('Live', { exact: true }).waitFor();
  });

  it('does not say of a new key what was answered to the one before', async () => {
    const { entry, key } = createKey({ name: 'read', scopes: ['read'] });
    const service = await ServiceProcess.start({ API_KEYS: JSON.stringify([entry]) });
    const page = await openPage(browser!, service.url);
    await page.goto('about:blank');
    const asked = Promise.withResolvers<Route>();
    await page.route('**/consumer-groups', asked.resolve, { times: 1 });
    await page.goto(`${service.url}/`);
    const withoutKey = await asked.promise;
    await page.getByRole('textbox', { name: 'Key' }).fill(key);
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByRole('heading', { name: 'No events yet' }).waitFor();
    const answers: number[] = [];
    page.on('response', (answer) => {
      if (answer.url().endsWith('/consumer-groups')) answers.push(answer.status());
    });
    await withoutKey.continue();
    await expect.poll(() => answers.slice(answers.indexOf(401))).toContain(200);
    expect(await page.getByRole('dialog').isVisible()).toBe(false);
  });

  it('does not say how many events are stored a second before it has asked twice', async () => {
    const service = await ServiceProcess.start();
    await store(service.url, [{ userId: 'ada', eventType: 'LOGIN' }]);
    const page = await openPage(browser!, service.url);
    await page.goto('about:blank');
    const stats = /\/events\/stats\?interval=/;
    const again = Promise.withResolvers<void>();
    let asked = 0;
    await page.route(stats, (route) => (asked++ === 0 ? route.continue() : again.resolve()));
    await page.goto(`${service.url}/`);
    await again.promise;
    await page.getByText('– stored a second, measured from now on').waitFor();
    // Also lets what is held go on.
    await page.unroute(stats);
    await page.getByText('0/s stored a second, last 10 s').waitFor();
  });
});
