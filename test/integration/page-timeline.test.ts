import { describe, expect, it } from 'vitest';
import { findChromium } from '../support/chromium.ts';
import { openPage } from '../support/page.ts';
import { store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const browser = findChromium();
const DAY = '2026-01-02';

function event(hour: number, more: object = {}) {
  const timestamp = `${DAY}T${String(hour).padStart(2, '0')}:30:00.000Z`;
  return { userId: 'ada', eventType: 'PRODUCT_VIEW', timestamp, payload: { hour }, ...more };
}

describe.runIf(browser)("a user's timeline", () => {
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
