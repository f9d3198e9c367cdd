import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createDatabase, PostgresServer } from '../../scripts/postgres-server.ts';
import { findChromium } from '../support/chromium.ts';
import { kafkaAndPostgres } from '../support/kafka-postgres.ts';
import { audit, copiedBy, GREEN, openPage } from '../support/page.ts';
import { post, store } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { answerOf } from '../support/shell.ts';
import { sharedFolder } from '../support/temp-folder.ts';

const browser = findChromium();
const LOGIN = { userId: 'ada', eventType: 'LOGIN' };
const DAY = '2026-01-02';
const HOURS = [8, 12, 10, 15, 9, 11];

function viewAt(hour: number, more: object = {}) {
  const timestamp = `${DAY}T${String(hour).padStart(2, '0')}:30:00.000Z`;
  return { userId: 'ada', eventType: 'PRODUCT_VIEW', timestamp, payload: { hour }, ...more };
}

/** What four people come to the page for. */
describe.runIf(browser && inject('kafka4'))('on Kafka and PostgreSQL, the page lets', () => {
  it('support find what a user did yesterday between two times, although half of it arrived late', async () => {
    const service = await ServiceProcess.start(await kafkaAndPostgres());
    await store(
      service.url,
      HOURS.slice(0, 3).map((hour) => viewAt(hour)),
    );
    await store(service.url, [
      viewAt(0, { timestamp: '2026-01-09T00:00:00.000Z', eventType: 'LOGOUT' }),
      ...HOURS.slice(3).map((hour) => viewAt(hour)),
      viewAt(10, { userId: 'bob' }),
    ]);
    const page = await openPage(browser!, service.url, { timezoneId: 'UTC' });
    const hours = () => page.locator('.timeline .members b').allTextContents();
    await page.goto(`${service.url}/#/users/ada`);
    await page.getByText('7 events in total, from Fri, 2 Jan 2026').waitFor();
    await expect.poll(hours).toEqual(['0', '15', '12', '11', '10', '9', '8']);
    await audit(page);
    // Two at half past eleven and half past ten are an hour apart: a session each.
    await expect
      .poll(() => page.locator('.session').allTextContents())
      .toEqual(Array(7).fill('Session: 1 event'));

    // From yesterday's day on, then between two times of it.
    await page.getByLabel('Jump to date').fill(DAY);
    await expect.poll(hours).toEqual(['15', '12', '11', '10', '9', '8']);
    await page.getByLabel('From').fill(`${DAY}T09:00:00`);
    await page.getByLabel('To', { exact: true }).fill(`${DAY}T12:00:00`);
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await expect.poll(hours).toEqual(['11', '10', '9']);
    expect(page.url()).toContain('from=2026-01-02T09%3A00%3A00.000Z');

    // An event and back: the same range.
    await page.locator('.timeline a').first().click();
    await page.getByRole('heading', { name: 'Journey' }).waitFor();
    await page.goBack();
    await expect.poll(hours).toEqual(['11', '10', '9']);
    expect(await page.getByLabel('From').inputValue()).toBe(`${DAY}T09:00`);

    await page.goto(`${service.url}/#/users/ada?eventType=LOGOUT`);
    await expect.poll(hours).toEqual(['0']);
    await page.goto(`${service.url}/#/search?userId=ada`);
    const order = page.getByLabel('Order');
    const types = () => page.locator('.events .type').allTextContents();
    await expect.poll(types).toEqual(['LOGOUT', ...HOURS.map(() => 'PRODUCT_VIEW')]);
    await order.selectOption('time');
    await page.getByRole('button', { name: 'Search' }).click();
    await expect.poll(types).toEqual([...HOURS.map(() => 'PRODUCT_VIEW'), 'LOGOUT']);
  });

  it('a developer find out why an event was refused: from the overview to its body, its reason and a command that sends it', async () => {
    const service = await ServiceProcess.start(await kafkaAndPostgres());
    const page = await openPage(browser!, service.url);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('link', { name: 'Rejected', exact: true }).first().click();
    await page.getByText('No event was rejected since this instance started.').waitFor();
    await audit(page);
    await page.getByRole('link', { name: 'Footfall' }).click();
    await store(service.url, [LOGIN]);
    await fetch(`${service.url}/events/batch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify([{ userId: "o'hara", eventType: 'LOGN' }]),
    });
    await post(service.url, '{"userId":');
    await page.getByText('most invalid_event').or(page.getByText('most body_not_json')).waitFor();
    await page.locator('.tiles').getByRole('link', { name: 'Rejected' }).click();
    await page.getByText('2 rejected events').waitFor();
    await page.getByLabel('Error code').selectOption('invalid_event');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.getByText('1 rejected event,').waitFor();
    expect(new URL(page.url()).hash).toBe('#/rejected?code=invalid_event');
    await page.locator('summary').click();
    await page.getByText('eventType is required and must be one of').waitFor();
    await page.getByText('POST /events/batch').waitFor();
    await page.locator('pre').getByText('"LOGN"').waitFor();
    await audit(page);

    // The command does what the sender did: sent again, it is refused again and appears above.
    const command = await copiedBy(page, 'Copy as curl');
    expect(await answerOf(command)).toMatchObject({
      status: 400,
      body: expect.stringContaining('eventType is required'),
    });
    await page.getByText('2 rejected events').waitFor();
    expect(JSON.parse(await copiedBy(page, 'Copy as JSON'))).toMatchObject({
      code: 'invalid_event',
      path: '/events/batch',
    });
  });

  it('an operator see that PostgreSQL is away, of when the figures are, and when it is back', async () => {
    const folder = await sharedFolder();
    const postgres = await PostgresServer.start(join(folder, 'postgres'));
    onTestFinished(() => postgres.stop());
    const service = await ServiceProcess.start({
      ...(await kafkaAndPostgres()),
      DATABASE_URL: await createDatabase(postgres.url),
    });
    await store(service.url, [LOGIN]);
    const page = await openPage(browser!, service.url);
    await page.getByText('All is well.').waitFor();
    await page.locator('.events').getByText('ada').waitFor();

    await postgres.stop();
    await page.getByText('The store is down since').waitFor();
    expect(await page.locator(GREEN).count()).toBe(0);
    // The consumer runs into the outage, too.
    expect((await post(service.url, { ...LOGIN, userId: 'grace' })).status).toBe(201);
    await page.getByText(/Shown as of/).waitFor();
    await page
      .locator('.tiles .stale')
      .getByText(/as of \d/)
      .first()
      .waitFor();
    for (const view of ['Live', 'Search', 'Dead letters', 'Operations']) {
      await page.getByRole('link', { name: view, exact: true }).click();
      await page.getByRole('heading', { name: view }).waitFor();
      if (view === 'Live') await page.getByText(/Connected, but|Not connected|Connection lost/).waitFor();
      else await page.locator('.problem').getByText('The store cannot be read').waitFor();
      expect(await page.getByText('No events match').count()).toBe(0);
      expect(await page.locator(GREEN).count()).toBe(0);
    }

    await postgres.restart();
    await page.getByText('All is well.').waitFor();
    await expect.poll(() => page.locator('.problem').count()).toBe(0);
    await page.getByRole('link', { name: 'Live', exact: true }).click();
    await page.locator('.events').getByText('grace').waitFor();
  });

  it('a newcomer send the first event from an empty service', async () => {
    const service = await ServiceProcess.start(await kafkaAndPostgres());
    const page = await openPage(browser!, service.url);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('heading', { name: 'No events yet' }).waitFor();
    const command = await copiedBy(page, 'Copy command');
    expect(await answerOf(command)).toMatchObject({ status: 201 });
    await page.locator('.events').getByText('ada').waitFor();
  });
});
