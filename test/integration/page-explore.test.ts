import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { findChromium } from '../support/chromium.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { audit, copiedBy, openPage } from '../support/page.ts';
import { store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const browser = findChromium();
const DAY = '2026-01-02';
const WHOLE_DAY = { from: `${DAY}T00:00:00.000Z`, to: '2026-01-03T00:00:00.000Z' };

const at = (time: string, eventType: string, payload: object = {}, userId = 'ada') => ({
  userId,
  eventType,
  timestamp: `${time}:00.000Z`,
  payload,
});
const EVENTS = [
  at('2026-01-01T10:00', 'PRODUCT_VIEW', { productId: 'lamp', price: 5 }),
  at('2026-01-01T11:00', 'LOGIN'),
  at('2026-01-01T12:00', 'LOGIN'),
  at(`${DAY}T10:05`, 'PRODUCT_VIEW', { productId: 'lamp', price: 5 }),
  at(`${DAY}T10:06`, 'PRODUCT_VIEW', { productId: 'lamp', price: 10 }),
  at(`${DAY}T10:07`, 'PRODUCT_VIEW', { productId: 'chair', price: 30.5 }, 'bob'),
  at(`${DAY}T10:08`, 'LOGIN'),
  at(`${DAY}T18:00`, 'LOGIN'),
  at(`${DAY}T18:30`, 'LOGOUT', { productId: ['lamp'] }),
];

const parameters = (page: Page) => Object.fromEntries(new URLSearchParams(page.url().split('?')[1]));

/** What the table of values says, row by row, without the column of links. */
const breakdown = (page: Page) =>
  page
    .locator('.breakdown tbody tr')
    .evaluateAll((rows) =>
      rows.map((row) => [...row.querySelectorAll('td')].slice(0, -1).map((cell) => cell.textContent)),
    );

/** What is said above the plot, which shows the same answer. */
const counts = (page: Page, text: string) =>
  page.locator('.card .lead').getByText(text, { exact: true }).waitFor();

/** Drags over the plot between two fractions of its width. */
async function brush(page: Page, from: number, to: number): Promise<void> {
  const plot = (await page.locator('.u-over').boundingBox())!;
  const middle = plot.y + plot.height / 2;
  await page.mouse.move(plot.x + from * plot.width, middle);
  await page.mouse.down();
  await page.mouse.move(plot.x + to * plot.width, middle, { steps: 5 });
  await page.mouse.up();
}

type Settings = () => Promise<Record<string, string>>;

async function openDay(settings: Settings): Promise<Page> {
  const service = await ServiceProcess.start(await settings());
  await store(service.url, EVENTS);
  const page = await openPage(browser!, service.url, { timezoneId: 'UTC' });
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto(`${service.url}/#/explore?${new URLSearchParams(WHOLE_DAY)}`);
  await counts(page, '6 events');
  return page;
}

const GROUNDS: [where: string, settings: Settings][] = [['embedded', async () => ({})]];
if (inject('kafka4')) GROUNDS.push(['on Kafka and PostgreSQL', kafkaAndPostgres]);

describe.runIf(browser).each(GROUNDS)('the page: Explore, %s', (where, settings) => {
  it('breaks events down by a value and compares them with the period before', async () => {
    const page = await openDay(settings);
    await audit(page);
    await page.getByLabel('Break down by').fill('eventType');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expect
      .poll(() => breakdown(page))
      .toEqual([
        ['PRODUCT_VIEW', '3', '50 %'],
        ['LOGIN', '2', '33 %'],
        ['LOGOUT', '1', '17 %'],
      ]);
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.getByText('6 events, +100 % (3 in the period before)').waitFor();
    await expect
      .poll(() => breakdown(page))
      .toEqual([
        ['PRODUCT_VIEW', '3', '50 %', '+200 % from 1'],
        ['LOGIN', '2', '33 %', 'unchanged from 2'],
        ['LOGOUT', '1', '17 %', 'new'],
      ]);
    expect(parameters(page)).toEqual({ ...WHOLE_DAY, by: 'eventType', compare: 'previous' });
    await audit(page);

    await page.getByLabel('Break down by').fill('productId');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expect
      .poll(() => breakdown(page))
      .toEqual([
        ['(none)', '3', '50 %', '+50 % from 2'],
        ['lamp', '2', '33 %', '+100 % from 1'],
        ['chair', '1', '17 %', 'new'],
      ]);
    await page.getByRole('link', { name: 'lamp', exact: true }).click();
    await page.getByText('2 events', { exact: true }).waitFor();
    await page.getByLabel('Filters').getByText('productId is lamp').waitFor();
    expect(parameters(page)).toEqual({ ...WHOLE_DAY, 'payload.productId': 'lamp' });
    await page.goBack();
    await page.getByRole('link', { name: 'Show only (none)' }).click();
    await page.getByText('3 events, +50 %').waitFor();
    await page.getByLabel('Filters').getByText('productId has no single value').waitFor();
    await page.goBack();
    await page.getByRole('link', { name: '(none)', exact: true }).click();
    await page.getByText('3 events', { exact: true }).waitFor();
  });

  // The same questions at other times, whatever answers them.
  it.runIf(where === 'embedded')(
    'narrows the time to what is brushed, clicked or chosen by keys',
    async () => {
      const page = await openDay(settings);
      const { width } = (await page.locator('.u-over').boundingBox())!;
      await page.locator('.u-over').click({ position: { x: (18.1 / 24) * width, y: 50 } });
      await counts(page, '1 event');
      expect(parameters(page)).toEqual({ from: `${DAY}T18:00:00.000Z`, to: `${DAY}T18:15:00.000Z` });
      await page.goBack();
      await counts(page, '6 events');

      await brush(page, 9.1 / 24, 10.9 / 24);
      await counts(page, '4 events');
      expect(parameters(page)).toEqual({ from: `${DAY}T09:00:00.000Z`, to: `${DAY}T11:00:00.000Z` });
      expect(await page.getByLabel('From').inputValue()).toBe(`${DAY}T09:00`);

      // In two hours a bar is a minute.
      const bar = page.getByRole('slider');
      await bar.focus();
      await page.keyboard.press('Home');
      for (let minute = 0; minute < 66; minute++) await page.keyboard.press('ArrowRight');
      const spoken = () => bar.getAttribute('aria-valuetext');
      await expect.poll(spoken).toBe('Fri, 2 Jan 2026, 10:06:00 UTC+0: 1 event');
      await page.keyboard.press('Enter');
      await counts(page, '1 event');
      expect(parameters(page)).toEqual({ from: `${DAY}T10:06:00.000Z`, to: `${DAY}T10:07:00.000Z` });

      await page.goBack();
      await counts(page, '4 events');
      await page.getByRole('button', { name: 'Zoom out' }).click();
      await expect
        .poll(() => parameters(page))
        .toEqual({ from: `${DAY}T08:00:00.000Z`, to: `${DAY}T12:00:00.000Z` });
      await page.getByRole('button', { name: 'Earlier' }).click();
      await expect
        .poll(() => parameters(page))
        .toEqual({ from: `${DAY}T04:00:00.000Z`, to: `${DAY}T08:00:00.000Z` });
      await counts(page, '0 events');
    },
  );

  it('finds what its conditions say, which the address, a saved view and a link hold', async () => {
    const page = await openDay(settings);
    await page.getByLabel('Filter', { exact: true }).fill('pri');
    await page.locator('option[value=price]').waitFor({ state: 'attached' });
    await page.getByLabel('Filter', { exact: true }).fill('price');
    await page.getByLabel('Operator').selectOption('≥');
    await page.getByLabel('Value', { exact: true }).fill('10');
    await page.getByLabel('Break down by').fill('userId');
    await page.getByRole('button', { name: 'Apply' }).click();
    await counts(page, '2 events');
    const address = { ...WHOLE_DAY, by: 'userId', 'payload.price[gte]': '10' };
    expect(parameters(page)).toEqual(address);
    await page.reload();
    await page.getByText('price ≥ 10').waitFor();
    await expect
      .poll(() => breakdown(page))
      .toEqual([
        ['ada', '1', '50 %'],
        ['bob', '1', '50 %'],
      ]);
    await audit(page);

    await page.getByLabel('Name of this view').fill('expensive');
    await page.getByRole('button', { name: 'Save view' }).click();
    await page.getByRole('button', { name: '15 min' }).click();
    await counts(page, '0 events');
    await page.getByRole('link', { name: 'expensive' }).click();
    await counts(page, '2 events');
    expect(parameters(page)).toEqual(address);
    await page.getByRole('button', { name: 'Remove the filter price ≥ 10' }).click();
    await counts(page, '6 events');
    await page.getByRole('button', { name: '7 days' }).click();
    const link = await copiedBy(page, 'Copy link');
    const shared = new URLSearchParams(link.split('?')[1]);
    expect([...shared.keys()]).toEqual(['by', 'from', 'to']);
    expect(shared.get('to')).toMatch(/Z$/);
  });

  it('exports what matches, and shows all of an event in its row', async () => {
    const page = await openDay(settings);
    await page.goto(`${page.url()}&${new URLSearchParams({ 'payload.price[exists]': 'true' })}`);
    await counts(page, '3 events');
    for (const [format, users] of [
      ['CSV', ['userId', 'bob', 'ada', 'ada']],
      ['NDJSON', ['bob', 'ada', 'ada']],
    ] as const) {
      const downloading = page.waitForEvent('download');
      await page.getByRole('button', { name: `Export ${format}` }).click();
      const text = await readFile(await (await downloading).path(), 'utf8');
      expect(text.match(/userId(?=,)|bob|ada/g)).toEqual(users);
    }
    await page.getByRole('button', { name: 'Show all of this event here' }).first().click();
    await page.locator('.whole').getByText('30.5').waitFor();
    await audit(page);
    const event = JSON.parse(await copiedBy(page, 'Copy as JSON')) as { eventId: string };
    expect(event).toMatchObject(EVENTS[5]!);
    const { origin } = new URL(page.url());
    expect(await copiedBy(page, 'Copy as curl')).toBe(`curl -i '${origin}/events/${event.eventId}'`);
  });

  it('says what is different about a part of the plot, and narrows to it', async () => {
    const page = await openDay(settings);
    const readAhead = page.waitForResponse((answer) => answer.url().includes('/stats/difference'));
    await page.getByRole('button', { name: 'What is different?' }).click();
    await page.getByText('Drag over a part of the plot').waitFor();
    const { baselineFrom, baselineTo } = (await (await readAhead).json()) as Record<string, string>;
    expect({ from: baselineFrom, to: baselineTo }).toEqual(WHOLE_DAY);
    await audit(page);
    await brush(page, 17.6 / 24, 18.9 / 24);
    const panel = page.getByRole('region', { name: 'What is different here?' });
    await panel
      .getByText('2 events from Fri, 2 Jan 2026, 17:30:00 to 19:00:00, compared with 4 others')
      .waitFor();
    await expect
      .poll(() => breakdown(page))
      .toEqual([
        ['Event type is LOGOUT', '50 % 1', '0 % 0'],
        ['Event type is LOGIN', '50 % 1', '25 % 1'],
        ['User is ada', '100 % 2', '75 % 3'],
      ]);
    const different = `${DAY}T17:30:00.000Z/${DAY}T19:00:00.000Z`;
    expect(parameters(page)).toEqual({ ...WHOLE_DAY, different });
    await audit(page);
    await page.reload();
    await panel.getByText('2 events').waitFor();

    await panel.getByRole('link', { name: 'Show only Event type is LOGIN' }).click();
    await counts(page, '2 events');
    await panel.getByText('1 event from').waitFor();
    expect(parameters(page)).toEqual({ ...WHOLE_DAY, different, eventType: 'LOGIN' });
    await panel.getByText('Nothing: no event type').waitFor();
    await panel.getByRole('link', { name: 'Narrow to it' }).click();
    await counts(page, '1 event');
    expect(parameters(page)).toEqual({
      from: `${DAY}T17:30:00.000Z`,
      to: `${DAY}T19:00:00.000Z`,
      eventType: 'LOGIN',
    });

    await page.goBack();
    await page.goBack();
    await counts(page, '6 events');
    await page.locator('.u-over').click({ position: { x: 5, y: 50 } });
    await panel.getByText('There are no events in this part').waitFor();
    const bar = page.getByRole('slider', { name: 'Enter says what is different in it' });
    await bar.focus();
    await page.keyboard.press('Home');
    for (let bars = 0; bars < 40; bars++) await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await panel.getByText('4 events from Fri, 2 Jan 2026, 10:00:00 to 10:15:00').waitFor();
    await page.getByRole('button', { name: 'What is different?' }).click();
    await panel.waitFor({ state: 'detached' });
    expect(parameters(page)).toEqual(WHOLE_DAY);
  });
});
