import { type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { chromiumOnPath } from '../../scripts/chromium.ts';
import { PATIENCE_MS } from './patience.ts';

/** A Chromium of the system; undefined where there is none, which is said, and is an error in CI. */
export function findChromium(): string | undefined {
  const found = chromiumOnPath();
  if (found !== undefined) return found;
  if (process.env.CI === 'true') throw new Error('Chromium is needed: apt-get install chromium');
  console.warn('\nLEFT OUT: the tests in a browser. Install Chromium to run them.\n');
  return undefined;
}

/** A browser of its own for one test, closed when that ends. Whatever it waits for, it waits as long as every test. */
export async function openBrowser(
  executablePath: string,
  options: BrowserContextOptions = {},
): Promise<BrowserContext> {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'], timeout: PATIENCE_MS });
  onTestFinished(() => browser.close());
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  return context;
}
