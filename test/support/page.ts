import { AxeBuilder } from '@axe-core/playwright';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { openBrowser } from './chromium.ts';

/** What the page may show nowhere while something is down or not known. */
export const GREEN = '.health.good, .state.live';

/** A browser on the page, which must ask for nothing from elsewhere and run into nothing. */
export async function openPage(
  browser: string,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const page = await (await openBrowser(browser, options)).newPage();
  const wrong: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) wrong.push(request.url());
  });
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) wrong.push(message.text());
  });
  onTestFinished(() => expect(wrong).toEqual([]));
  await page.goto(`${url}/`);
  return page;
}

/** Has the page looked over for what keeps people from using it. */
export async function audit(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
}

/** What a button copies; the browser must be allowed to. */
export async function copiedBy(page: Page, button: string): Promise<string> {
  const clipboard = () => page.evaluate<string>('navigator.clipboard.readText()');
  await page.evaluate("navigator.clipboard.writeText('')");
  await page.getByRole('button', { name: button }).click();
  await expect.poll(clipboard).not.toBe('');
  return clipboard();
}
