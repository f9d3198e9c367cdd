import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CLIENT_FILE, SPOOL_FILE } from '../../scripts/build-client.ts';
import { createKey } from '../../src/access/api-keys.ts';
import { findChromium } from '../support/chromium.ts';
import type { Client, ClientOptions } from '../support/client.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

const browserPath = findChromium();

const PAGE = `<!doctype html><title>A shop</title><script type="module">
import { Footfall } from '/footfall.js';
import { BrowserSpool } from '/spool.js';
globalThis.begin = (options, spooled) => {
  globalThis.told = [];
  globalThis.client = new Footfall({
    ...options,
    spool: spooled ? new BrowserSpool() : undefined,
    onDropped: (events, reasons) => told.push(...reasons),
    onError: ({ message }) => told.push(message),
  });
};
</script>`;

/** What the page above has. */
interface Shop {
  begin(options: ClientOptions, spooled: boolean): void;
  client: Client;
  told: string[];
  isSecureContext: boolean;
  indexedDB: IndexedDb;
}

/** A shop's pages, on this machine. @returns their port */
async function serveShop(): Promise<number> {
  const files: Record<string, string> = { '/footfall.js': CLIENT_FILE, '/spool.js': SPOOL_FILE };
  const server = createServer(({ url }, response) => {
    const file = files[url!];
    response.setHeader('Content-Type', file ? 'text/javascript' : 'text/html');
    response.end(file ? readFileSync(file) : PAGE);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

/** A browser with a profile that outlives it; `shop.test` is this machine, over plain http. */
async function openProfile(folder: string): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: browserPath!,
    args: ['--no-sandbox', '--host-resolver-rules=MAP shop.test 127.0.0.1'],
    timeout: PATIENCE_MS,
  });
  onTestFinished(() => context.close());
  context.setDefaultTimeout(PATIENCE_MS);
  return context;
}

async function openShop(
  context: BrowserContext,
  url: string,
  options: ClientOptions,
  spooled = true,
): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => 'begin' in globalThis);
  await page.evaluate(({ options, spooled }) => (globalThis as unknown as Shop).begin(options, spooled), {
    options,
    spooled,
  });
  return page;
}

/** @returns the ids */
function track(page: Page, count: number): Promise<string[]> {
  return page.evaluate(
    (count) =>
      Array.from({ length: count }, (_, number) =>
        (globalThis as unknown as Shop).client.track('u', 'LOGIN', { number }),
      ),
    count,
  );
}

const saved = (page: Page) => page.evaluate(() => (globalThis as unknown as Shop).client.saved());
const queued = (page: Page) => page.evaluate(() => (globalThis as unknown as Shop).client.queued);
const told = (page: Page) => page.evaluate(() => (globalThis as unknown as Shop).told);
const resume = (page: Page) => page.evaluate(() => (globalThis as unknown as Shop).client.resume());

/** How many events lie in the browser. */
function kept(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const { indexedDB } = globalThis as unknown as Shop;
        const opening = indexedDB.open('footfall');
        opening.onsuccess = () => {
          const counting = opening.result.transaction('events').objectStore('events').count();
          counting.onsuccess = () => resolve(counting.result);
        };
      }),
  );
}

interface IndexedDb {
  databases(): Promise<unknown[]>;
  open(name: string): Request<{
    transaction(store: string): { objectStore(name: string): { count(): Request<number> } };
  }>;
}

interface Request<Result> {
  result: Result;
  onsuccess: () => void;
}

/** As a power cut would end it: at once, and all of it. */
async function killBrowser(browser: Browser): Promise<void> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const main = processInfo.find(({ type }) => type === 'browser')!;
  const gone = new Promise((resolve) => browser.once('disconnected', resolve));
  process.kill(main.id, 'SIGKILL');
  await gone;
}

describe.runIf(browserPath)('the client in a browser', () => {
  it('works on a plain-http page, where there is neither crypto.randomUUID nor navigator.locks', async () => {
    const service = await ScriptedService.start();
    const context = await openProfile(await tempFolder());
    const page = await openShop(context, `http://shop.test:${await serveShop()}`, { url: service.url });
    expect(
      await page.evaluate(() => [
        (globalThis as unknown as Shop).isSecureContext,
        'randomUUID' in crypto,
        'locks' in navigator,
      ]),
    ).toEqual([false, false, false]);
    service.answers = 'hanging';
    const left = await track(page, 3);
    expect(await saved(page)).toBe(true);
    await page.close();
    service.answers = '201';
    await openShop(context, page.url(), { url: service.url });
    await expect.poll(() => [...service.stored.keys()]).toEqual(left);
  });

  it('sends the last events as the page is left, with the key in a header and not in the address', async () => {
    const origin = `http://127.0.0.1:${await serveShop()}`;
    const service = await ScriptedService.start();
    const context = await openProfile(await tempFolder());
    const options = { url: service.url, key: 'ff_key', flushAfterMs: PATIENCE_MS };
    const page = await openShop(context, origin, options, false);
    const ids = await track(page, 20);
    await page.goto('about:blank');
    await expect.poll(() => [...service.stored.keys()]).toEqual(ids);
    expect(service.requests.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/events/batch', 'Bearer ff_key'],
    ]);
  });

  it('keeps what waits over the end of the browser, and sends it under the same ids', async () => {
    const origin = `http://127.0.0.1:${await serveShop()}`;
    const service = await ScriptedService.start();
    service.answers = 'cut';
    const folder = await tempFolder();
    const context = await openProfile(folder);
    const page = await openShop(context, origin, { url: service.url });
    const ids = await track(page, 500);
    expect(await saved(page)).toBe(true);
    await killBrowser(context.browser()!);
    service.answers = '201';
    const again = await openShop(await openProfile(folder), origin, { url: service.url });
    await expect.poll(() => [...service.stored.keys()]).toEqual(ids);
    await expect.poll(() => kept(again)).toBe(0);
    expect(service.conflicts).toEqual([]);
  });

  it('keeps pages apart: each sends its own once, and what a closed one left is taken over', async () => {
    const origin = `http://127.0.0.1:${await serveShop()}`;
    const service = await ScriptedService.start();
    const context = await openProfile(await tempFolder());
    service.answers = '500';
    const options = { url: service.url, flushAfterMs: PATIENCE_MS };
    const pages: Page[] = [];
    const ids: string[] = [];
    // Each finds on the device what those before it have there.
    for (let number = 0; number < 3; number++) {
      const page = await openShop(context, origin, options);
      ids.push(...(await track(page, 50)));
      expect(await saved(page)).toBe(true);
      pages.push(page);
    }
    const [one, two, three] = pages as [Page, Page, Page];
    const left = ids.splice(100);
    expect(await Promise.all(pages.map(queued))).toEqual([50, 50, 50]);
    await three.close();
    // Its last attempt, which fails.
    await expect.poll(() => service.requests.length).toBeGreaterThan(0);
    service.batches.length = 0;
    service.answers = '201';
    for (const page of [one, two])
      await page.evaluate(() => void (globalThis as unknown as Shop).client.flush());
    await expect.poll(() => service.stored.size).toBe(100);
    expect([...service.ids].sort()).toEqual([...ids].sort());
    const fourth = await openShop(context, origin, options);
    await expect.poll(() => [...service.stored.keys()].slice(100)).toEqual(left);
    await expect.poll(() => kept(fourth)).toBe(0);
  });

  it('keeps no more than it may, however many pages come and go without a network', async () => {
    const origin = `http://127.0.0.1:${await serveShop()}`;
    // Another one than below: what the last page sends as it goes may arrive late.
    const away = await ScriptedService.start();
    away.answers = 'cut';
    const context = await openProfile(await tempFolder());
    const visits: string[][] = [];
    let onDevice = 0;
    for (let visit = 0; visit < 6; visit++) {
      const page = await openShop(context, origin, { url: away.url, maxQueued: 40, reportDropped: false });
      visits.push(await track(page, 15));
      // What was left may not fit beside that: then it is not added to.
      await saved(page);
      onDevice = await kept(page);
      expect(onDevice).toBeLessThanOrEqual(40);
      await page.close();
    }
    const service = await ScriptedService.start();
    // Also by a page that holds less at once.
    const page = await openShop(context, origin, { url: service.url, maxQueued: 10 });
    await expect.poll(() => kept(page)).toBe(0);
    // Of each page in order. Which closed page comes first is the browser's affair: it lets go of their locks.
    const arrived = [...service.stored.keys()];
    for (const ids of visits) {
      expect(arrived.filter((id) => ids.includes(id))).toEqual(ids.filter((id) => arrived.includes(id)));
    }
    expect(arrived.filter((id) => !visits.flat().includes(id))).toEqual([]);
    expect(service.stored.size).toBe(onDevice);
    expect(await told(page)).toEqual([]);
  });

  it('writes nothing to the device before there is consent, and erases what is there when it is withdrawn', async () => {
    const origin = `http://127.0.0.1:${await serveShop()}`;
    const service = await ScriptedService.start();
    service.answers = 'cut';
    const context = await openProfile(await tempFolder());
    const page = await openShop(context, origin, { url: service.url, paused: true });
    await track(page, 5);
    const databases = () =>
      page.evaluate(async () => (await (globalThis as unknown as Shop).indexedDB.databases()).length);
    expect([await saved(page), await databases()]).toEqual([false, 0]);
    await resume(page);
    expect([await saved(page), await kept(page)]).toEqual([true, 5]);
    await page.evaluate(() => (globalThis as unknown as Shop).client.forget());
    expect([await kept(page), await queued(page)]).toEqual([0, 0]);
  });

  it('says why, where the service refuses the origin or the key', async () => {
    const port = await serveShop();
    const origin = `http://127.0.0.1:${port}`;
    const { entry, key } = createKey({ name: 'shop', scopes: ['write'], origins: [origin] });
    const service = await ServiceProcess.start({ API_KEYS: JSON.stringify([entry]) });
    const context = await openProfile(await tempFolder());
    const sayings = async (url: string, key: string) => {
      const page = await openShop(context, url, { url: service.url, key }, false);
      await track(page, 1);
      await expect.poll(async () => (await told(page)).length).toBeGreaterThan(0);
      expect(await queued(page)).toBe(1);
      return (await told(page))[0];
    };
    expect(await sayings(origin, 'ff_wrong')).toContain('401: An API key is needed');
    expect(await sayings(`http://localhost:${port}`, key)).toContain('may this origin call it?');
  });
});
