import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Page, Response } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { systemClock } from '../../src/clock.ts';
import { TcpProxy } from '../faults/tcp-proxy.ts';
import { findChromium, openBrowser } from '../support/chromium.ts';
import { post, serviceHere } from '../support/service.ts';

const browser = findChromium();
const NOON = Date.parse('2026-11-25T12:00:00Z');
const AN_HOUR_LATER = Date.parse('2026-11-25T13:00:00Z');

/** The example of the document, as it is, in a page of another origin. */
async function openPageWithExample(): Promise<{ page: Page; origin: string }> {
  const [, example] = /```js\n(async function follow[\s\S]*?)```/.exec(
    readFileSync('docs/reading.md', 'utf8'),
  )!;
  const server = createServer((_request, response) => {
    response
      .setHeader('Content-Type', 'text/html')
      .end(`<!doctype html><title>A page</title><script>${example}</script>`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const page = await (await openBrowser(browser!)).newPage();
  await page.goto(origin);
  return { page, origin };
}

describe.runIf(browser)('EventSource with a ticket, as in docs/reading.md', () => {
  it('gets each event once, also when it comes back with a ticket that is too old', async () => {
    const { page, origin } = await openPageWithExample();
    const reader = createKey({ name: 'page', scopes: ['read'], origins: [origin] });
    const writer = createKey({ name: 'shop', scopes: ['write'] });
    let at = NOON;
    const service = await serviceHere(
      { API_KEYS: JSON.stringify([reader.entry, writer.entry]) },
      { clock: { ...systemClock, date: () => new Date(at) } },
    );
    const proxy = await TcpProxy.start(() => Number(new URL(service.url).port));
    onTestFinished(() => proxy.stop());
    const send = (userId: string) =>
      post(service.url, { userId, eventType: 'LOGIN' }, { 'X-API-Key': writer.key });
    const got = () => page.evaluate(() => (globalThis as unknown as { got: string[] }).got);

    const opened = page.waitForResponse((response) => response.url().includes('/events/stream?'));
    await page.evaluate(
      ([footfall, key]) => {
        const got: string[] = [];
        const onEvent = ({ userId }: { userId: string }) => got.push(userId);
        const scope = Object.assign(globalThis, { footfall, key, got }) as unknown as {
          follow(filters: object, onEvent: (event: { userId: string }) => void): Promise<void>;
        };
        return scope.follow({ eventType: 'LOGIN' }, onEvent);
      },
      [`http://127.0.0.1:${proxy.port}`, reader.key] as const,
    );
    expect((await opened).status()).toBe(200);
    await send('first');
    await expect.poll(got).toEqual(['first']);

    at = AN_HOUR_LATER;
    const isRefused = (response: Response) =>
      response.url().includes('/events/stream?') && response.status() === 401;
    const refused = page.waitForResponse(isRefused);
    proxy.reset();
    await refused;
    await send('meanwhile');
    await expect.poll(got).toEqual(['first', 'meanwhile']);
    await send('afterwards');
    await expect.poll(got).toEqual(['first', 'meanwhile', 'afterwards']);
  });
});
