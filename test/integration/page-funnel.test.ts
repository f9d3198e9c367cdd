import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { findChromium } from '../support/chromium.ts';
import { audit, openPage } from '../support/page.ts';
import { store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const browser = findChromium();
const DAY = '2026-01-02';

const at = (time: string, userId: string, eventType: string, payload: object = {}) => ({
  userId,
  eventType,
  timestamp: `${time}:00.000Z`,
  payload,
});

async function open(events: object[]): Promise<{ page: Page; url: string }> {
  const { url } = await ServiceProcess.start();
  if (events.length > 0) await store(url, events);
  const page = await openPage(browser!, url, { timezoneId: 'UTC' });
  return { page, url };
}

const rows = (page: Page) =>
  page
    .locator('main table tbody tr')
    .evaluateAll((all) =>
      all.map((row) => [...row.querySelectorAll('th, td')].map((cell) => cell.textContent)),
    );

describe.runIf(browser)('the page: funnels and returning users', () => {
  it('shows how many users come from one step to the next, from fields that suggest types', async () => {
    const { page, url } = await open([
      at(`${DAY}T10:00`, 'ada', 'LOGIN'),
      at(`${DAY}T10:05`, 'ada', 'PRODUCT_VIEW'),
      at(`${DAY}T10:00`, 'bob', 'LOGIN'),
      at(`${DAY}T12:00`, 'bob', 'PRODUCT_VIEW'),
      at(`${DAY}T10:30`, 'eve', 'LOGIN'),
    ]);
    await page.goto(`${url}/#/explore`);
    await page.getByRole('link', { name: 'Funnel' }).click();
    await page.getByText('Choose two to five event types').waitFor();
    await audit(page);
    await page.getByLabel('Step 1', { exact: true }).fill('LOG');
    await page.locator('option[value=LOGIN]').waitFor({ state: 'attached' });
    await page.getByLabel('Step 1', { exact: true }).fill('LOGIN');
    await page.getByLabel('Step 2', { exact: true }).fill('PRODUCT_VIEW');
    await page.getByLabel('From').fill(`${DAY}T00:00`);
    await page.getByLabel('To', { exact: true }).fill(`${DAY}T23:00`);
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('3 users, of whom 2 (67 %) come to the last step').waitFor();
    expect(await rows(page)).toEqual([
      ['1. LOGIN', '3', '100 %', '–', '–'],
      ['2. PRODUCT_VIEW', '2', '67 %', '67 %', '1 h'],
    ]);
    await audit(page);
    await page.getByLabel('Within').selectOption('1 hour');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('3 users, of whom 1 (33 %) come to the last step').waitFor();
    expect(page.url().split('?')[1]).toBe(
      new URLSearchParams([
        ['step', 'LOGIN'],
        ['step', 'PRODUCT_VIEW'],
        ['from', `${DAY}T00:00:00.000Z`],
        ['to', `${DAY}T23:00:00.000Z`],
        ['within', '3600'],
      ]).toString(),
    );
    await page.reload();
    await page.getByText('3 users, of whom 1').waitFor();
    expect(await page.getByLabel('Step 2', { exact: true }).inputValue()).toBe('PRODUCT_VIEW');
    await page.getByRole('button', { name: '15 min' }).click();
    await page.getByText('No user has an event of the type LOGIN').waitFor();
    await audit(page);
  });

  it('takes filters for each step, which the address holds and which follow their step', async () => {
    const { page, url } = await open([
      at(`${DAY}T10:00`, 'ada', 'LOGIN', { method: 'sso' }),
      at(`${DAY}T10:05`, 'ada', 'PRODUCT_VIEW', { price: 9.5 }),
      at(`${DAY}T10:00`, 'bob', 'LOGIN', { method: 'sso' }),
      at(`${DAY}T10:05`, 'bob', 'PRODUCT_VIEW', { price: 10 }),
      at(`${DAY}T10:00`, 'eve', 'LOGIN'),
    ]);
    const times = { from: `${DAY}T00:00:00.000Z`, to: `${DAY}T23:00:00.000Z` };
    const steps = [
      ['step', 'LOGIN'],
      ['step', 'PRODUCT_VIEW'],
    ];
    await page.goto(`${url}/#/explore/funnel?${new URLSearchParams([...steps, ...Object.entries(times)])}`);
    await page.getByText('3 users, of whom 2').waitFor();
    const add = async (step: string, [member, operator, value]: [string, string, string]) => {
      await page.getByLabel('Filter for').selectOption(step);
      await page.getByLabel('Filter', { exact: true }).fill(member);
      await page.getByLabel('Operator').selectOption(operator);
      await page.getByLabel('Value', { exact: true }).fill(value);
      await page.getByRole('button', { name: 'Apply' }).click();
    };
    await add('Step 3', ['price', '≥', '10']);
    await page.getByText('Say which event type Step 3 is').waitFor();
    await add('Step 2', ['price', '≥', '10']);
    await page.getByText('3 users, of whom 1').waitFor();
    await page.getByLabel('Filters of Step 2').getByText('price ≥ 10').waitFor();
    await add('Step 1', ['method', 'exists', '']);
    await page.getByText('2 users, of whom 1').waitFor();
    expect((await rows(page)).map(([step]) => step)).toEqual([
      '1. LOGIN, method exists',
      '2. PRODUCT_VIEW, price ≥ 10',
    ]);
    await audit(page);
    const asked = new URLSearchParams(page.url().split('?')[1]);
    expect(asked.get('step1.payload.method[exists]')).toBe('true');
    expect(asked.get('step2.payload.price[gte]')).toBe('10');
    await page.reload();
    await page.getByText('2 users, of whom 1').waitFor();

    // A step before it that goes, and a filter.
    await page.getByLabel('Step 1', { exact: true }).fill('');
    await page.getByLabel('Step 3', { exact: true }).fill('LOGIN');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('1 user, of whom 0').waitFor();
    await page.getByLabel('Filters of Step 1').getByText('price ≥ 10').waitFor();
    await page.getByRole('button', { name: 'Remove the filter price ≥ 10' }).click();
    await page.getByText('2 users, of whom 0').waitFor();
  });

  it('shows which users come back in which week', async () => {
    const now = new Date();
    const monday = new Date(now);
    monday.setUTCHours(0, 0, 0, 0);
    monday.setUTCDate(now.getUTCDate() - ((now.getUTCDay() + 6) % 7));
    const weekBefore = (weeks: number) =>
      new Date(monday.getTime() - weeks * 7 * 86_400_000).toISOString().slice(0, 16);
    const { page, url } = await open([
      at(weekBefore(3), 'ada', 'LOGIN'),
      at(weekBefore(2), 'ada', 'LOGOUT'),
      at(weekBefore(3), 'bob', 'LOGIN'),
      at(weekBefore(0), 'bob', 'LOGIN'),
      at(weekBefore(1), 'eve', 'LOGIN'),
    ]);
    await page.goto(`${url}/#/explore`);
    await page.getByRole('link', { name: 'Returning users' }).click();
    await page.getByText('3 users in 8 weeks').waitFor();
    await page.getByLabel('Weeks').selectOption('4');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('3 users in 4 weeks').waitFor();
    const shown = (await rows(page)).map((row) => row.slice(1));
    expect(shown).toEqual([
      ['2', '50 %', '0 %', '50 %'],
      ['0', '', '', ''],
      ['1', '0 %', '', ''],
      ['0', '', '', ''],
    ]);
    await audit(page);
    await page.getByLabel('Event type').fill('LOGOUT');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('1 user in 4 weeks').waitFor();
    await page.getByLabel('Event type').fill('NEVER');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('No users have events in these weeks').waitFor();
    await audit(page);
  });

  it('says where there is nothing yet', async () => {
    const { page, url } = await open([]);
    await page.goto(`${url}/#/explore/returning`);
    await page.getByText('No users have events in these weeks').waitFor();
    await page.goto(`${url}/#/explore/funnel?step=A&step=B`);
    await page.getByText('No user has an event of the type A').waitFor();
  });

  it.each([
    ['light', 390],
    ['dark', 1280],
  ] as const)(
    'is whole and accessible %s, %s pixels wide, with long names and many weeks',
    async (colorScheme, width) => {
      const { url } = await ServiceProcess.start();
      const long = 'long'.repeat(30);
      const today = new Date();
      const later = (ms: number) => new Date(today.getTime() + ms).toISOString();
      const sent = [0, 1, 2, 8, 15].map((days) => ({
        userId: `user-${long}`,
        eventType: 'PRODUCT_VIEW',
        timestamp: later(-days * 86_400_000),
        payload: { [days === 0 ? long : 'other']: long },
      }));
      await store(url, sent);
      const page = await openPage(browser!, url, { colorScheme, viewport: { width, height: 800 } });
      const selected = [-3_600_000, 3_600_000].map(later).join('/');
      for (const [view, shown] of [
        [`explore?${new URLSearchParams({ last: '7d', different: selected })}`, `is ${long.slice(0, 20)}`],
        ['explore/funnel?last=30d&step=PRODUCT_VIEW&step=PRODUCT_VIEW', '1 user, of whom 1'],
        ['explore/returning?weeks=52', '1 user in 52 weeks'],
      ] as const) {
        await page.goto(`${url}/#/${view}`);
        await page.getByText(shown).first().waitFor();
        await audit(page);
        const overhang = await page.locator('html').evaluate((html) => html.scrollWidth - html.clientWidth);
        expect(overhang, `${view} is wider than the window`).toBeLessThanOrEqual(0);
      }
    },
  );

  it('asks again where that may help, and not where the service has said that it will not', async () => {
    const { page, url } = await open([at(`${DAY}T10:00`, 'ada', 'LOGIN')]);
    let asked = 0;
    page.on('request', (request) => {
      if (request.url().includes('/stats/funnel')) asked += 1;
    });
    await page.clock.install();
    const steps = `explore/funnel?step=LOGIN&step=LOGOUT&from=${DAY}T00:00Z&to=${DAY}T23:00Z`;
    await page.goto(`${url}/#/${steps}&within=-1`);
    await page.getByRole('alert').getByText('withinSeconds').waitFor();
    await page.clock.runFor('01:00');
    expect(asked).toBe(1);
    await page.context().setOffline(true);
    await page.goto(`${url}/#/${steps}`);
    await page.getByRole('alert').getByText('The service cannot be reached').waitFor();
    await page.context().setOffline(false);
    await page.clock.runFor('01:00');
    await page.getByText('1 user, of whom 0 (0 %) come to the last step').waitFor();
  });
});
