import { randomUUID } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { Producer } from '@platformatic/kafka';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { PAGE_FOLDER } from '../../scripts/build-dashboard.ts';
import { createKey } from '../../src/access/api-keys.ts';
import { TcpProxy } from '../faults/tcp-proxy.ts';
import { findChromium } from '../support/chromium.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { audit, openPage } from '../support/page.ts';
import { store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const MAX_PAGE_BYTES = 150_000;
const brokers = inject('kafka4');
const browser = findChromium();

describe.runIf(browser)('the page', () => {
  it.runIf(brokers)(
    'shows an event live, finds it, opens it; dead-letters, edits and resends; resumes',
    async () => {
      const settings = await kafkaAndPostgres();
      const topic = settings.KAFKA_TOPIC;
      const service = await ServiceProcess.start(settings);
      const proxy = await TcpProxy.start(() => Number(new URL(service.url).port));
      onTestFinished(() => proxy.stop());
      const page = await openPage(browser!, `http://127.0.0.1:${proxy.port}`);
      await page.getByRole('heading', { name: 'No events yet' }).waitFor();
      await page.getByText('All is well.').waitFor();
      await audit(page);

      // Sent by hand, followed to the store.
      await page.getByRole('link', { name: 'Send', exact: true }).click();
      await page.getByLabel('User').fill('ada');
      await page.getByLabel('Payload').fill('{"productId":"lamp","exact":9007199254740993}');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByRole('link', { name: 'Follow the event' }).click();
      await page.getByText(/partition \d, offset 0/).waitFor();
      await page.getByText('Stored', { exact: true }).waitFor();
      await page.getByText('9007199254740993').waitFor();
      await audit(page);

      // What is wrong is said, and sent again when it is right.
      await page.getByRole('link', { name: 'Send', exact: true }).click();
      await page.getByLabel('Event type').fill('LOGN');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByText('eventType is required and must be one of').waitFor();
      await audit(page);

      // Live, also over a lost connection.
      await page.getByRole('link', { name: 'Live', exact: true }).click();
      await page.getByRole('status').getByText('Live').waitFor();
      await store(service.url, [{ userId: 'grace', eventType: 'LOGIN', payload: { device: 'phone' } }]);
      await page.locator('.events').getByText('grace').waitFor();
      await audit(page);
      proxy.set('mute');
      proxy.reset();
      await page.getByText('Connection lost').waitFor();
      await store(service.url, [{ userId: 'meanwhile', eventType: 'LOGOUT' }]);
      proxy.set('pass');
      await page.locator('.events').getByText('meanwhile').waitFor();
      await store(service.url, [{ userId: 'afterwards', eventType: 'LOGOUT' }]);
      await page.locator('.events').getByText('afterwards').waitFor();
      expect(await page.locator('li:has(.of-stored) .who').allTextContents()).toEqual([
        'afterwards',
        'meanwhile',
        'grace',
        'ada',
      ]);

      // Searched for by what is in it; its user's timeline.
      await page.getByRole('link', { name: 'Search', exact: true }).click();
      await page.getByLabel('Payload property').fill('product');
      await page.locator('option[value=productId]').waitFor({ state: 'attached' });
      await page.getByLabel('Payload property').fill('productId');
      await page.getByLabel('… is').fill('la');
      await page.locator('option[value=lamp]').waitFor({ state: 'attached' });
      await page.getByLabel('… is').fill('lamp');
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByText('1 event', { exact: true }).waitFor();
      await audit(page);
      await page.locator('.events').getByRole('link', { name: 'ada' }).click();
      await page.getByRole('heading', { name: 'ada' }).waitFor();
      await page.locator('.timeline').getByText('lamp').waitFor();
      await audit(page);

      // What another producer broke: dead-lettered, edited, resent, stored.
      const producer = new Producer({ clientId: 'other', bootstrapBrokers: [brokers!] });
      onTestFinished(() => producer.close());
      const eventId = randomUUID();
      const broken = `{"eventId":"${eventId}","userId":"linus","eventType":"LOGIN","timestamp":"2024-02-14T10:30:00Z","payload":{}`;
      await producer.send({ messages: [{ topic, key: Buffer.from('linus'), value: Buffer.from(broken) }] });
      await page.getByRole('link', { name: 'Dead letters', exact: true }).click();
      await page.getByRole('link', { name: /not-json/ }).waitFor();
      await audit(page);
      await page.getByRole('link', { name: /not-json/ }).click();
      await page.getByLabel('Content').fill(`${broken}}`.replace('LOGIN', 'LOGON'));
      await page.getByRole('button', { name: 'Resend edited' }).click();
      await page.getByText('value is not a valid event').waitFor();
      expect(await page.getByLabel('Content').inputValue()).toContain('LOGON');
      await page.getByLabel('Content').fill(`${broken}}`);
      await audit(page);
      await page.getByRole('button', { name: 'Resend edited' }).click();
      await page.getByText('1 record resent.').waitFor();
      await page.goto(`http://127.0.0.1:${proxy.port}/#/events/${eventId}`);
      await page.getByText('Stored', { exact: true }).waitFor();

      // One that is not text is shown in Base64, and resent as it is.
      await producer.send({ messages: [{ topic, value: Buffer.from([0xff, 0xfe]) }] });
      await page.getByRole('link', { name: 'Dead letters', exact: true }).click();
      await page.locator('.letters a').first().click();
      await page.getByText('Not text, so shown in Base64').waitFor();
      expect(await page.getByLabel('Content').inputValue()).toBe('//4=');
      await page.getByRole('button', { name: 'Resend as it is' }).click();
      await page.getByText('1 record resent.').waitFor();

      // The groups, and the overview after a reload.
      await page.getByRole('link', { name: 'Operations', exact: true }).click();
      await page.getByRole('cell', { name: '0' }).first().waitFor();
      await expect.poll(() => page.locator('[data-name=Partition]').count()).toBe(3);
      await page.getByText(/partitions 0, 1, 2$/).waitFor();
      await page.getByRole('heading', { name: 'Records per second' }).waitFor();
      await page.getByRole('button', { name: '15 minutes' }).click();
      await expect.poll(() => page.url()).toContain('#/groups?minutes=15');
      await audit(page);
      await page.getByRole('link', { name: 'Footfall' }).click();
      await page.reload();
      await page.getByText(/Most frequent productId/).waitFor();
      await expect.poll(() => page.locator('.tiles strong').first().textContent()).toBe('5');
      await page.getByText(/most invalid_event/).waitFor();
      await page.getByText('Last 24 hours: ', { exact: false }).first().waitFor({ state: 'attached' });
      await audit(page);
    },
  );

  it.each([
    ['dark', 1280],
    ['light', 390],
    ['dark', 390],
  ] as const)('is whole and accessible %s, %s pixels wide', async (colorScheme, width) => {
    const service = await ServiceProcess.start();
    const events = Array.from({ length: 40 }, (_, at) => ({
      userId: `user-${at % 7}-${'long'.repeat(12)}`,
      eventType: 'PRODUCT_VIEW',
      payload: { productId: `product ${at % 5}`, text: 'a long text without an end '.repeat(20) },
    }));
    await store(service.url, events);
    const page = await openPage(browser!, service.url, { colorScheme, viewport: { width, height: 800 } });
    for (const name of [
      'Overview',
      'Live',
      'Search',
      'Explore',
      'Rejected',
      'Dead letters',
      'Operations',
      'Send',
    ]) {
      await page.getByRole('link', { name, exact: true }).first().click();
      await page.getByRole('heading', { level: 1 }).waitFor();
      if (name === 'Overview' || name === 'Explore') await page.locator('canvas').first().waitFor();
      if (name === 'Search') await page.locator('.events li').first().waitFor();
      await audit(page);
      for (const [what, place] of Object.entries({ view: 'html', navigation: 'header nav' })) {
        const overhang = await page.locator(place).evaluate((one) => one.scrollWidth - one.clientWidth);
        expect(overhang, `${name}: the ${what} is wider than its place`).toBeLessThanOrEqual(0);
      }
    }
  });

  it('can be used with the keyboard alone', async () => {
    const service = await ServiceProcess.start();
    const page = await openPage(browser!, service.url);
    await page.getByRole('heading', { name: 'No events yet' }).waitFor();
    const focused = page.locator(':focus');
    const pressUntil = async (name: string) => {
      for (let presses = 0; presses < 40; presses++) {
        await page.keyboard.press('Tab');
        if ((await focused.textContent())?.trim() === name) return;
      }
      throw new Error(`${name} cannot be reached`);
    };
    await pressUntil('Skip to content');
    await page.keyboard.press('Enter');
    await page.locator('main:focus').waitFor();
    await pressUntil('send it from a form');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Send an event' }).waitFor();
    await pressUntil('Send');
    await page.keyboard.press('Enter');
    await page.getByText('Recorded, and safe in the log').waitFor();
  });

  it.each([
    ['send', 'userId'],
    ['search?userId=before', 'userId'],
  ])('leaves what one types as soon as #/%s shows', async (place, field) => {
    const service = await ServiceProcess.start();
    const page = await openPage(browser!, service.url);
    await page.getByRole('heading', { name: 'No events yet' }).waitFor();
    const typed = await page.evaluate<{ focus: string; value: string }>(`new Promise((resolve) => {
      const typeAtOnce = () => {
        const input = document.querySelector('[name=${field}]');
        if (!input) return;
        observer.disconnect();
        input.focus();
        input.value = 'ada';
        // Five frames later, all that follows the first drawing is done.
        let frames = 5;
        const look = () => {
          if (frames-- > 0) requestAnimationFrame(look);
          else resolve({ focus: document.activeElement.name, value: input.value });
        };
        look();
      };
      const observer = new MutationObserver(typeAtOnce);
      observer.observe(document.body, { childList: true, subtree: true });
      location.hash = '#/${place}';
    })`);
    expect(typed).toEqual({ focus: field, value: 'ada' });
  });

  it('asks for a key, says when it is wrong, and works with a right one', async () => {
    const { key, entry } = createKey({ name: 'a person', scopes: ['read'] });
    const service = await ServiceProcess.start({ API_KEYS: JSON.stringify([entry]) });
    const page = await openPage(browser!, service.url);
    await page.getByText('This service asks for an API key.').waitFor();
    await audit(page);
    await page.getByRole('textbox', { name: 'Key' }).fill('ff_wrong');
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByText('This key is not known.').waitFor();
    await page.getByRole('textbox', { name: 'Key' }).fill(key);
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByText('All is well.').waitFor();
    await page.getByRole('link', { name: 'Live', exact: true }).click();
    await page.getByRole('status').getByText('Live').waitFor();
    await page.getByRole('link', { name: 'Send', exact: true }).click();
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('This API key does not allow writing').waitFor();
  });

  it('says what does not work, and that nothing is lost', async () => {
    const service = await ServiceProcess.start({ KAFKA_BROKERS: '127.0.0.1:1', DATABASE_URL: 'memory:' });
    const page = await openPage(browser!, service.url);
    await page.getByText('The log is down since').waitFor();
    // Without the log, nothing is.
    await page.getByText('Processing has stopped since').waitFor();
    expect(await page.getByText('still accepted').count()).toBe(0);
    await audit(page);
    await service.kill('SIGKILL');
    await page.getByText('The service does not answer since').first().waitFor();
  });

  it('is small, and its files are kept by browsers', async () => {
    const files = globSync(`${PAGE_FOLDER}/**/*.gz`);
    expect(files.length).toBeGreaterThan(3);
    const bytes = files.reduce((sum, path) => sum + readFileSync(path).length, 0);
    expect(bytes).toBeLessThan(MAX_PAGE_BYTES);
    const service = await ServiceProcess.start();
    const page = await openPage(browser!, service.url);
    const script = await page.locator('script').getAttribute('src');
    const response = await fetch(new URL(script!, service.url), { headers: { 'Accept-Encoding': 'br' } });
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(response.headers.get('content-encoding')).toBe('br');
    expect((await fetch(`${service.url}/assets/..%2Findex.html`)).status).toBe(404);
    expect((await fetch(`${service.url}/assets/missing.js`)).status).toBe(404);
  });
});
