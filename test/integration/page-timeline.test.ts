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
    const total = page.getByText('450 events in total');
    await total.waitFor();
    await rows.nth(350).scrollIntoViewIfNeeded();
    const place = async () => (await rows.nth(350).boundingBox())?.y;
    const left = await place();
    await rows.nth(350).getByRole('link').click();
    await page.getByRole('heading', { name: 'Journey' }).waitFor();
    await page.goBack();
    await expect.poll(() => rows.count()).toBe(400);
    await total.waitFor();
    await expect.poll(place).toBe(left);
    // What changes above after the reader has moved leaves them where they are.
    await page.mouse.wheel(0, -1000);
    await expect.poll(place).toBe(left! + 1000);
    const scrolled = await page.evaluate<number>('scrollY');
    await page.evaluate("document.querySelector('h1').style.height = '536px'");
    await expect.poll(() => page.evaluate<number>('scrollY')).toBe(scrolled + 500);
    expect(await place()).toBe(left! + 1000);
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
