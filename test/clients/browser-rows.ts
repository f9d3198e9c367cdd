// Clients that run in a page of another origin, in a real Chromium.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { same, typesAndUsers } from './check.ts';
import type { Running, TestCluster } from './ground.ts';
import { fromNpm, fromPath } from './install.ts';
import type { Program, Row } from './row.ts';
import { USER } from './segment-rows.ts';

const SEGMENT = '1.84.3';
/** Of a library that loads parts of itself; all of them are beside it. */
const LIBRARY = 'node_modules/@segment/analytics-next/dist/umd';
const PAGE = '<!doctype html><meta charset="utf-8"><title>A shop</title>';

/** A page in a browser, and the service that it may call with a key. */
interface Shop {
  page: Page;
  service: Running;
}

/** @param scripts folder of the scripts that the page may load from `/scripts` */
async function openShop(browser: string, scripts: string, ground: TestCluster): Promise<Shop> {
  const site = createServer(async (request, response) => {
    const script = /^\/scripts\/([\w.-]+)$/.exec(request.url ?? '')?.[1];
    response.setHeader('Content-Type', script === undefined ? 'text/html' : 'text/javascript');
    response.end(script === undefined ? PAGE : await readFile(join(scripts, script)));
  });
  await new Promise<void>((listening) => site.listen(0, '127.0.0.1', listening));
  ground.ends(async () => {
    site.closeAllConnections();
    site.close();
  });
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  const running = await chromium.launch({ executablePath: browser, args: ['--no-sandbox'] });
  ground.ends(() => running.close());
  const page = await running.newPage();
  await page.goto(origin);
  return { page, service: await ground.serviceWithKeys(origin) };
}

/** What the page is told to do; it is written out there. */
interface SegmentUse {
  key: string;
  apiHost: string;
  user: string;
  deliveryStrategy: object | undefined;
}

/** Runs in the page, whose title says when the library has told of an error. */
async function useSegment({ key, apiHost, user, deliveryStrategy }: SegmentUse): Promise<void> {
  const { AnalyticsNext, document } = globalThis as unknown as PageWithSegment;
  document.title = '';
  const segment = { apiKey: key, apiHost, protocol: 'http', deliveryStrategy };
  const cdnSettings = { integrations: { 'Segment.io': segment } };
  const analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey: key, cdnSettings });
  analytics.on('error', () => {
    document.title = 'An error was reported';
  });
  await analytics.identify(user, { city: 'Köln' });
  await analytics.track('PRODUCT_VIEW', { name: 'Größe' });
  await analytics.track('Order PreparedEvent', { total: 9.5 });
  // Deeper than any event may be.
  await analytics.track('Refused', JSON.parse(`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`));
  await analytics.page('Home');
  await analytics.screen('Home');
  await analytics.group('g-1', {});
  await analytics.alias(user, 'anonymous-1');
}

type Call = (...args: unknown[]) => Promise<void>;
interface PageWithSegment {
  document: { title: string };
  AnalyticsNext: {
    AnalyticsBrowser: {
      load(settings: object): Record<'identify' | 'track' | 'page' | 'screen' | 'group' | 'alias', Call> & {
        on(event: 'error', listener: () => void): void;
      };
    };
  };
}

function segmentRow(name: string, checked: string, deliveryStrategy: object | undefined): Row {
  return {
    name,
    version: SEGMENT,
    isQuick: true,
    checked,
    install: async () => {
      const { args } = await fromNpm('', `@segment/analytics-next@${SEGMENT}`);
      const browser = await fromPath('chromium', 'chromium-browser', 'google-chrome');
      return { ...browser, args: [join(args[0]!, LIBRARY)] };
    },
    check: async ({ command, args }, ground) => {
      const { page, service } = await openShop(command, args[0]!, ground);
      await page.addScriptTag({ url: '/scripts/index.js' });
      const apiHost = `${new URL(service.url).host}/v1`;
      await page.evaluate(useSegment, { key: service.writeKey, apiHost, user: USER, deliveryStrategy });
      const kinds = ['PRODUCT_VIEW', 'alias', 'group', 'identify', 'page', 'screen', 'track'];
      const wanted = kinds.map((kind) => `${kind} of ${USER}`);
      same('stored', typesAndUsers(await service.storedAtLeast(wanted.length)), wanted);
      if (deliveryStrategy === undefined) {
        await page.waitForFunction('document.title === "An error was reported"');
      }
    },
  };
}

/** Runs in the page. @returns whether the browser has taken it */
function sendBeacon({ url, body }: { url: string; body: string }): boolean {
  const { navigator } = globalThis as unknown as {
    navigator: { sendBeacon(url: string, body: string): boolean };
  };
  return navigator.sendBeacon(url, body);
}

async function checkBeacon({ command }: Program, ground: TestCluster): Promise<void> {
  const { page, service } = await openShop(command, dirname(command), ground);
  const body = JSON.stringify([{ userId: USER, eventType: 'LOGOUT' }]);
  const url = `${service.url}/events/batch?key=${service.writeKey}`;
  same('taken by the browser', await page.evaluate(sendBeacon, { url, body }), true);
  await page.goto('about:blank');
  same('stored', typesAndUsers(await service.storedAtLeast(1)), [`LOGOUT of ${USER}`]);
}

export const BROWSER_ROWS: Row[] = [
  segmentRow('@segment/analytics-next', 'every kind of message; a refusal', undefined),
  segmentRow('@segment/analytics-next (batching)', 'every kind of message', {
    strategy: 'batching',
    config: { timeout: 200 },
  }),
  {
    name: 'navigator.sendBeacon',
    version: "the machine's Chromium",
    checked: 'a batch, as the page is left',
    isQuick: true,
    install: () => fromPath('chromium', 'chromium-browser', 'google-chrome'),
    check: checkBeacon,
  },
];
