import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { systemClock } from '../../src/clock.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { post, serviceHere } from '../support/service.ts';
import { readStream, type StreamReader } from '../support/sse.ts';
import { tempFolder } from '../support/temp-folder.ts';

const MINUTE = 60_000;
const PAGE = 'https://page.example';

/** Instances that share a list of keys and nothing else, with a clock that the test moves, and what they log. */
async function instances(count: number) {
  const reader = createKey({ name: 'page', scopes: ['read'], origins: [PAGE] });
  const writer = createKey({ name: 'shop', scopes: ['write'] });
  const file = join(await tempFolder(), 'keys.json');
  const list = (keys: object[]) => writeFile(file, JSON.stringify(keys));
  await list([reader.entry, writer.entry]);
  const lines = new PassThrough();
  let log = '';
  lines.on('data', (chunk) => {
    log += chunk;
  });
  const logger = await createLogger({ level: 'trace', format: 'json' }, lines);
  const clock = { at: Date.parse('2026-11-25T12:00:00Z') };
  const start = () =>
    serviceHere(
      { API_KEYS_FILE: file },
      { logger, clock: { ...systemClock, date: () => new Date(clock.at) } },
    );
  const services = await Promise.all(Array.from({ length: count }, start));
  return { services, reader, writer, list, clock, log: () => log };
}

async function ticketOf(url: string, key: string): Promise<{ ticket: string; expiresAt: string }> {
  const response = await fetch(`${url}/events/stream/tickets`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}` },
  });
  expect([response.status, response.headers.get('cache-control')]).toEqual([201, 'no-store']);
  return (await response.json()) as { ticket: string; expiresAt: string };
}

const open = (url: string, ticket: string) => readStream(`${url}/events/stream?after=0&ticket=${ticket}`);
const userIds = ({ messages }: StreamReader) =>
  messages.map(({ data }) => (JSON.parse(data) as { userId: string }).userId);

it('a ticket opens streams for a minute, and what it has opened goes on', async () => {
  const { services, reader, writer, clock } = await instances(1);
  const { url } = services[0]!;
  const { ticket, expiresAt } = await ticketOf(url, reader.key);
  expect(Date.parse(expiresAt)).toBe(clock.at + MINUTE);
  const stream = await open(url, ticket);
  clock.at += MINUTE - 1;
  (await open(url, ticket)).close();
  clock.at += 1;
  await expect(open(url, ticket)).rejects.toThrow(
    /^401 .*ticket has expired.*POST \/events\/stream\/tickets/,
  );
  await post(url, { userId: 'late', eventType: 'LOGIN' }, { 'X-API-Key': writer.key });
  await expect.poll(() => userIds(stream)).toEqual(['late']);
  stream.close();
});

it('every instance takes a ticket that another gave', async () => {
  const { services, reader } = await instances(2);
  const { ticket } = await ticketOf(services[0]!.url, reader.key);
  (await open(services[1]!.url, ticket)).close();
});

it('a ticket and what it opened end when its key is gone or may not read any more', async () => {
  const { services, reader, writer, list } = await instances(1);
  const [service] = services;
  const { url, reload } = service!;
  for (const left of [[writer.entry], [writer.entry, { ...reader.entry, scopes: ['write'] }]]) {
    await list([reader.entry, writer.entry]);
    reload();
    const { ticket } = await ticketOf(url, reader.key);
    const stream = await open(url, ticket);
    const byKey = await readStream(`${url}/events/stream`, { 'X-API-Key': reader.key });
    reload();
    (await open(url, ticket)).close();
    await list(left);
    reload();
    await Promise.all([stream.ended, byKey.ended]);
    await expect(open(url, ticket)).rejects.toThrow(/^401/);
  }
});

it('a stream goes on when other keys come and go', async () => {
  const { services, reader, writer, list } = await instances(1);
  const { url, reload } = services[0]!;
  const stream = await open(url, (await ticketOf(url, reader.key)).ticket);
  const other = createKey({ name: 'other', scopes: ['write'] });
  await list([reader.entry, other.entry]);
  reload();
  expect((await post(url, { userId: 'u', eventType: 'LOGIN' }, { 'X-API-Key': writer.key })).status).toBe(
    401,
  );
  await post(url, { userId: 'u', eventType: 'LOGIN' }, { 'X-API-Key': other.key });
  await expect.poll(() => userIds(stream)).toEqual(['u']);
  stream.close();
});

it('a ticket is for the stream alone, and cannot be changed or made from what one sees', async () => {
  const { services, reader, writer, clock } = await instances(1);
  const { url } = services[0]!;
  const { ticket } = await ticketOf(url, reader.key);
  for (const path of ['/events/processed', '/events/stats', '/events/generate', '/events/stream/tickets']) {
    const method = path.includes('generate') || path.includes('tickets') ? 'POST' : 'GET';
    expect((await fetch(`${url}${path}?ticket=${ticket}`, { method })).status).toBe(401);
  }
  const [, signature] = ticket.split('.');
  const wrong = [
    `${clock.at + 2 * MINUTE}.${signature}`,
    ticket.slice(0, -1),
    `${ticket}A`,
    '',
    '.',
    reader.key,
  ];
  for (const other of wrong) await expect(open(url, other)).rejects.toThrow(/^401/);
  const forbidden = await fetch(`${url}/events/stream/tickets`, {
    method: 'POST',
    headers: { 'X-API-Key': writer.key },
  });
  expect(forbidden.status).toBe(403);
});

it('a ticket is good for pages of the origins of its key, and its refusal asks nobody for a password', async () => {
  const { services, reader, clock } = await instances(1);
  const { url } = services[0]!;
  const { ticket } = await ticketOf(url, reader.key);
  const from = (origin: string) =>
    fetch(`${url}/events/stream?ticket=${ticket}`, { headers: { Origin: origin } });
  const allowed = await from(PAGE);
  expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([200, PAGE]);
  await allowed.body!.cancel();
  expect((await from('https://evil.example')).status).toBe(403);
  clock.at += MINUTE;
  const refused = await from(PAGE);
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="footfall"']);
});

it('no ticket gets into the log', async () => {
  const { services, reader, clock, log } = await instances(1);
  const { url } = services[0]!;
  const { ticket } = await ticketOf(url, reader.key);
  (await open(url, ticket)).close();
  await fetch(`${url}/events/processed?ticket=${ticket}`);
  await fetch(`${url}/events/stream?ticket=${ticket}&nothing=1`);
  clock.at += MINUTE;
  await fetch(`${url}/events/stream?ticket=${ticket}`);
  await expect.poll(log).toContain('Request refused');
  expect(log()).not.toContain(ticket.split('.')[1]);
});

it('where no keys are needed, a page that asks for a ticket gets one and its stream', async () => {
  const { url } = await serviceHere();
  const response = await fetch(`${url}/events/stream/tickets`, { method: 'POST' });
  const { ticket } = (await response.json()) as { ticket: string };
  (await open(url, ticket)).close();
});
