// Takes the pictures of the README: `npm run pictures`. Needs a Chromium on the PATH.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium, type Page } from 'playwright-core';
import { chromiumOnPath } from './chromium.ts';

const WIDE = { width: 1280, height: 800 };
/** The demo's past day, which is different in each of its hours. */
const EVENTS = 90_000;
/** From the newest bar to one of the past day's busy ones. */
const BARS_BACK = 40;

const executablePath = chromiumOnPath();
if (executablePath === undefined) {
  throw new Error('Chromium is needed on the PATH: apt-get install chromium');
}
const folder = await mkdtemp(join(tmpdir(), 'footfall-pictures-'));
const run = (...args: string[]) =>
  spawn(process.execPath, [resolve('src/main.ts'), ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, PORT: '0', LOG_FORMAT: 'json', LOG_EVERY_NTH_EVENT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
const service = run();
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox'],
});
const demo: ReturnType<typeof run>[] = [];
try {
  const url = await addressOf(service);
  demo.push(run('demo', '--url', url));
  const page = await (await browser.newContext({ viewport: WIDE, timezoneId: 'UTC' })).newPage();
  await storedEvents(url);
  await page.goto(url);
  await page.getByRole('heading', { name: 'Events over time' }).waitFor();
  await take(page, 'page');
  await page.goto(`${url}/#/live`);
  await page.locator('.events li, .events tr').nth(12).waitFor();
  await take(page, 'page-live');
  await page.goto(`${url}/#/users/${encodeURIComponent(await busiestUser(url))}`);
  await page.locator('.timeline').waitFor();
  await take(page, 'page-user');
  await page.goto(`${url}/#/explore`);
  await page.getByRole('button', { name: 'What is different?' }).click();
  const bars = page.getByRole('slider');
  await bars.focus();
  for (let moves = 0; moves < BARS_BACK; moves++) await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Enter');
  await page.getByRole('region', { name: 'What is different here?' }).getByRole('table').waitFor();
  await take(page, 'page-explore');
} finally {
  for (const child of [...demo, service]) child.kill();
  await Promise.all([browser.close(), once(service, 'close')]);
  await rm(folder, { recursive: true });
}

async function addressOf({ stdout }: typeof service): Promise<string> {
  for await (const line of createInterface(stdout!)) {
    const { url } = JSON.parse(line) as { url?: string };
    if (url !== undefined) return url;
  }
  throw new Error('the service did not start');
}

async function storedEvents(url: string): Promise<void> {
  for (;;) {
    const { total } = (await (await fetch(`${url}/events/stats`)).json()) as { total: number };
    if (total >= EVENTS) return;
    await new Promise((later) => setTimeout(later, 500));
  }
}

async function busiestUser(url: string): Promise<string> {
  const day = new Date(Date.now() - 24 * 3_600_000).toISOString();
  const answer = await fetch(`${url}/events/stats/series?from=${day}&by=userId&top=1`);
  const { series } = (await answer.json()) as { series: { value: string }[] };
  return series[0]!.value;
}

async function take(page: Page, name: string): Promise<void> {
  await page.getByText('All is well').waitFor();
  await page.screenshot({ path: `docs/${name}.png` });
  console.log(`taken: docs/${name}.png`);
}
