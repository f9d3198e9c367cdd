import { describe, expect, inject, it } from 'vitest';
import { findChromium } from '../support/chromium.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { audit, openPage } from '../support/page.ts';
import { store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const browser = findChromium();
const DAY = '2026-01-02';
const HOURS = [8, 12, 10, 15, 9, 11];

function event(hour: number, more: object = {}) {
  const timestamp = `${DAY}T${String(hour).padStart(2, '0')}:30:00.000Z`;
  return { userId: 'ada', eventType: 'PRODUCT_VIEW', timestamp, payload: { hour }, ...more };
}

describe.runIf(browser && inject('kafka4'))("a user's timeline", () => {
  it('finds what a user did one day between two times, although half of it arrived late', async () => {
    const service = await ServiceProcess.start(await kafkaAndPostgres());
    await store(
      service.url,
      HOURS.slice(0, 3).map((hour) => event(hour)),
    );
    await store(service.url, [
      event(0, { timestamp: '2026-01-09T00:00:00.000Z', eventType: 'LOGOUT' }),
      ...HOURS.slice(3).map((hour) => event(hour)),
      event(10, { userId: 'bob' }),
    ]);
    const page = await openPage(browser!, service.url, { timezoneId: 'UTC' });
    const hours = () => page.locator('.timeline .members b').allTextContents();
    await page.goto(`${service.url}/#/users/ada`);
    await page.getByText('7 events in total, from Fri, 2 Jan 2026').waitFor();
    await expect.poll(hours).toEqual(['0', '15', '12', '11', '10', '9', '8']);
    await audit(page);
    // Two at half past eleven and half past ten are an hour apart: a session each.
    await expect
      .poll(() => page.locator('.session').allTextContents())
      .toEqual(Array(7).fill('Session: 1 event'));

    // From yesterday's day on, then between two times of it.
    await page.getByLabel('Jump to date').fill(DAY);
    await expect.poll(hours).toEqual(['15', '12', '11', '10', '9', '8']);
    await page.getByLabel('From').fill(`${DAY}T09:00:00`);
    await page.getByLabel('To', { exact: true }).fill(`${DAY}T12:00:00`);
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await expect.poll(hours).toEqual(['11', '10', '9']);
    expect(page.url()).toContain('from=2026-01-02T09%3A00%3A00.000Z');

    // An event and back: the same range.
    await page.locator('.timeline a').first().click();
    await page.getByRole('heading', { name: 'Journey' }).waitFor();
    await page.goBack();
    await expect.poll(hours).toEqual(['11', '10', '9']);
    expect(await page.getByLabel('From').inputValue()).toBe(`${DAY}T09:00`);

    await page.goto(`${service.url}/#/users/ada?eventType=LOGOUT`);
    await expect.poll(hours).toEqual(['0']);
    await page.goto(`${service.url}/#/search?userId=ada`);
    const order = page.getByLabel('Order');
    const types = () => page.locator('.events .type').allTextContents();
    await expect.poll(types).toEqual(['LOGOUT', ...HOURS.map(() => 'PRODUCT_VIEW')]);
    await order.selectOption('time');
    await page.getByRole('button', { name: 'Search' }).click();
    await expect.poll(types).toEqual([...HOURS.map(() => 'PRODUCT_VIEW'), 'LOGOUT']);
  });

  it('keeps its place when the reader comes back from an event', async () => {
    const service = await ServiceProcess.start();
    const events = Array.from({ length: 450 }, (_, at) => event(0, { payload: { at } }));
    await store(service.url, events);
    const page = await openPage(browser!, service.url);
    await page.goto(`${service.url}/#/users/ada`);
    const rows = page.locator('.timeline > li');
    await expect.poll(() => rows.count()).toBe(200);
    await page.getByRole('button', { name: 'Load more' }).click();
    await expect.poll(() => rows.count()).toBe(400);
    await rows.nth(350).scrollIntoViewIfNeeded();
    const place = await page.evaluate<number>('scrollY');
    expect(place).toBeGreaterThan(0);
    await rows.nth(350).getByRole('link').click();
    await page.getByRole('heading', { name: 'Journey' }).waitFor();
    await page.goBack();
    await expect.poll(() => rows.count()).toBe(400);
    await expect.poll(() => page.evaluate<number>('scrollY')).toBe(place);
  });

  it('says so where the user is not known, and where nothing is in the range', async () => {
    const service = await ServiceProcess.start();
    await store(service.url, [event(8)]);
    const page = await openPage(browser!, service.url);
    await page.goto(`${service.url}/#/users/eve`);
    await page.getByText('No events of this user are stored.').waitFor();
    await page.goto(`${service.url}/#/users/ada?to=${DAY}T00:00:00.000Z`);
    await page.getByText('No events of this user match.').waitFor();
    await page.getByLabel('From').fill(`${DAY}T12:00:00`);
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.getByText('From must be before To.').waitFor();
  });
});
