import { describe, expect, it } from 'vitest';
import { findChromium } from '../support/chromium.ts';
import { audit, openPage } from '../support/page.ts';
import { post, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const browser = findChromium();

describe.runIf(browser)('the page of an event type', () => {
  it('shows how many there are, how their payloads look, and finds those with a value', async () => {
    const service = await ServiceProcess.start({ UNKNOWN_EVENT_TYPES: 'accept' });
    const BIG = '12345678901234567890';
    await post(
      service.url,
      `{"userId":"ada","eventType":"ORDER_PAID","payload":{"orderId":${BIG},"cart":{"currency":"EUR"}}}`,
    );
    await store(service.url, [
      { userId: 'bob', eventType: 'ORDER_PAID', payload: { cart: { currency: 'EUR' }, tags: ['a'] } },
      { userId: 'bob', eventType: 'ORDER_PAID', payload: { cart: { currency: null } } },
      { userId: 'bob', eventType: 'LOGIN', payload: { device: 'phone' } },
    ]);
    const page = await openPage(browser!, service.url);
    await page.getByRole('link', { name: 'Event types' }).click();
    await page.getByRole('row', { name: /ORDER_PAID 3/ }).waitFor();
    await page.getByRole('row', { name: /LOGOUT 0/ }).waitFor();
    await audit(page);

    await page.getByRole('link', { name: 'ORDER_PAID' }).click();
    await page.getByText('3 events, the first on').waitFor();
    await page.getByRole('heading', { name: 'Payload properties, in the latest 3 events' }).waitFor();
    const cells = await page
      .locator('[aria-labelledby=properties] tbody tr')
      .evaluateAll((rows) =>
        rows.map((row) => [...row.querySelectorAll('td')].slice(0, 3).map((cell) => cell.textContent)),
      );
    expect(cells).toEqual([
      ['cart.currency', 'text, null', '100 %'],
      ['orderId', 'number', '33 %'],
      ['tags', 'list', '33 %'],
    ]);
    await page.getByText('any JSON object is accepted as the payload').waitFor();
    await audit(page);

    await page.getByRole('link', { name: BIG }).click();
    await page.getByText('1 event', { exact: true }).waitFor();
    await page.locator('.events .who').getByText('ada').waitFor();
  });

  it('says when no event of the type is stored', async () => {
    const service = await ServiceProcess.start();
    const page = await openPage(browser!, service.url);
    await page.goto(`${service.url}/#/types/NEVER%20SENT`);
    await page.getByText('No event of this type is stored.').waitFor();
  });
});
