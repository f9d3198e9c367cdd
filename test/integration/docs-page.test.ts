import { expect, it } from 'vitest';
import { findChromium, openBrowser } from '../support/chromium.ts';
import { ServiceProcess } from '../support/service-process.ts';

const browser = findChromium();

it.runIf(browser)('/docs shows every route in a browser, with nothing from elsewhere', async () => {
  const service = await ServiceProcess.start();
  const page = await (await openBrowser(browser!)).newPage();
  const foreign: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(service.url) && !request.url().startsWith('data:'))
      foreign.push(request.url());
  });
  const response = await page.goto(`${service.url}/docs/`);
  expect(response!.headers()).toMatchObject({
    'content-security-policy': expect.stringContaining("default-src 'none'"),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  });
  await page.getByText('Record one event').click();
  await page.getByText('Answers once the event is durable').waitFor();
  const { paths } = (await (await fetch(`${service.url}/openapi.json`)).json()) as { paths: object };
  const operations = Object.values(paths).flatMap((path) => Object.keys(path));
  expect(operations.length).toBeGreaterThan(25);
  await expect.poll(() => page.locator('.opblock').count()).toBe(operations.length);
  await page.getByRole('button', { name: 'Try it out' }).click();
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.locator('.live-responses-table .response-col_status', { hasText: '201' }).waitFor();
  expect(foreign).toEqual([]);
});
