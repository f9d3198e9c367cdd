import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Acked, expectExactlyOnce, postLoad } from '../support/history.ts';
import { post, processed } from '../support/service.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

const EVENT = { userId: 'user-123', eventType: 'LOGIN', payload: { device: 'iPhone' } };

/** A request whose body never ends: it keeps the service from finishing. */
async function openEndedRequest(url: string): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  const head =
    'POST /events/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n';
  await new Promise<void>((done) => socket.write(`${head}{"userId":`, () => done()));
  // The service has the head once it answers a later request.
  await fetch(`${url}/livez`);
}

/** A connection on which no more is said than this. `answer`: all the service said before it closed it. */
async function openConnection(
  port: number,
  opening: string,
): Promise<{ socket: Socket; answer: Promise<string> }> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk;
  });
  const answer = once(socket, 'close').then(() => said);
  await once(socket, 'connect');
  socket.write(opening);
  return { socket, answer };
}

/** Waits until all that was acknowledged is stored, and checks that it is there once and in order. */
async function untilStored(url: string, acked: Acked[]): Promise<void> {
  const ids = new Set(acked.map(({ eventId }) => eventId));
  const found = async () => (await processed(url)).filter(({ eventId }) => ids.has(eventId)).length;
  await expect.poll(found).toBe(ids.size);
  expectExactlyOnce(acked, await processed(url));
}

describe('the service as a process, embedded', () => {
  it('takes an event and returns it, and says so in its log', async () => {
    const service = await ServiceProcess.start();
    const answer = (await (await post(service.url, EVENT)).json()) as {
      success: boolean;
      event: { eventId: string };
    };
    await expect.poll(() => processed(service.url)).toEqual([answer.event]);
    const { eventId } = answer.event;
    await service.untilSaid(new RegExp(`\\[Producer\\] Event published successfully - eventId: ${eventId}`));
    await service.untilSaid(new RegExp(`\\[Consumer\\] Event processed - eventId: ${eventId}`));
    expect(service.lines.join()).not.toContain('iPhone');
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'stops cleanly at %s and has everything after a start',
    async (signal) => {
      const folder = await tempFolder();
      const service = await ServiceProcess.start({}, folder);
      await post(service.url, EVENT);
      expect(await service.kill(signal)).toEqual({ code: 0, signal: null });
      const again = await ServiceProcess.start({}, folder);
      await expect.poll(async () => (await processed(again.url)).length).toBe(1);
    },
  );

  it('loses nothing it has answered when it is stopped under load', async () => {
    const folder = await tempFolder();
    const service = await ServiceProcess.start({}, folder);
    const load = postLoad(() => [service.url], 20, 10_000);
    await expect.poll(() => load.acked.length).toBeGreaterThan(100);
    expect(await service.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    load.stop();
    await load.done;
    const again = await ServiceProcess.start({}, folder);
    await untilStored(again.url, load.acked);
  });

  it('loses and doubles nothing when it is killed under load', async () => {
    const folder = await tempFolder();
    let service = await ServiceProcess.start({}, folder);
    const load = postLoad(() => [service.url], 20, 200);
    for (let round = 1; round <= 3; round++) {
      await expect.poll(() => load.acked.length, { interval: 5 }).toBeGreaterThan(round * 300);
      await service.kill('SIGKILL');
      service = await ServiceProcess.start({}, folder);
    }
    await load.done;
    expect(load.failures).toBeGreaterThan(0);
    await untilStored(service.url, load.acked);
  });

  it.runIf(process.platform === 'linux')(
    'says that a full disk keeps it from taking events, loses none, and goes on when there is room',
    async () => {
      const folder = await tempFolder();
      let service = await ServiceProcess.start({}, folder);
      const load = postLoad(() => [service.url], 20, 200);
      await expect.poll(() => load.acked.length, { interval: 5 }).toBeGreaterThan(300);
      service.limitFileSize(1000);
      const answer = async () => (await post(service.url, EVENT)).status;
      await expect.poll(answer).toBe(500);
      const health = async () => (await service.health()).status;
      await expect.poll(health).toBe(503);
      await service.kill('SIGKILL');
      service = await ServiceProcess.start({}, folder);
      service.limitFileSize(1000);
      await expect.poll(answer).toBe(500);
      service.limitFileSize('unlimited');
      await expect.poll(answer).toBe(201);
      await load.done;
      await untilStored(service.url, load.acked);
      await expect.poll(health).toBe(200);
    },
  );

  it.runIf(process.platform === 'linux')(
    'reads an upload of 120 MB as it arrives, in memory that does not grow with it',
    async () => {
      // With room to spare, garbage is not collected and nothing is shown.
      const NODE_OPTIONS = '--max-old-space-size=100';
      const service = await ServiceProcess.start({
        LOG_EVERY_NTH_EVENT: '0',
        MAX_BATCH_BYTES: '200000000',
        NODE_OPTIONS,
      });
      await post(service.url, EVENT);
      const payload = { text: 'x'.repeat(20_000) };
      const line = Buffer.from(`${JSON.stringify({ ...EVENT, payload })}\n`);
      const lines = 6000;
      async function* body() {
        for (let sent = 0; sent < lines; sent++) yield line;
      }
      const before = service.memory().now;
      const response = await fetch(`${service.url}/events/batch`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-ndjson' },
        body: body(),
        duplex: 'half',
      });
      expect(await response.json()).toMatchObject({ success: true, accepted: lines });
      expect(service.memory().most - before).toBeLessThan(150_000_000);
    },
  );

  it('serves others while 10 000 connections are open and say nothing, or never finish what they say', async () => {
    const service = await ServiceProcess.start();
    const port = Number(new URL(service.url).port);
    const before = service.memory().now;
    const connections = await Promise.all(
      Array.from({ length: 10_000 }, (_, number) =>
        openConnection(
          port,
          number % 2 === 0 ? 'POST /events/generate HTTP/1.1\r\nHost: localhost\r\nContent-Le' : '',
        ),
      ),
    );
    expect((await post(service.url, EVENT)).status).toBe(201);
    expect(service.memory().most - before).toBeLessThan(200_000_000);
    // What never finishes its headers is told so and let go of; nothing else suffers.
    const answers = await Promise.all(
      connections.filter((_, number) => number % 2 === 0).map(({ answer }) => answer),
    );
    expect(new Set(answers.map((answer) => answer.slice(0, 13)))).toEqual(new Set(['HTTP/1.1 408 ']));
    for (const { socket } of connections) socket.destroy();
    expect((await post(service.url, EVENT)).status).toBe(201);
  });

  it('refuses a data directory another process has, in one line, and leaves that process alone', async () => {
    const folder = await tempFolder();
    const first = await ServiceProcess.start({}, folder);
    const second = await ServiceProcess.spawn({}, folder);
    expect((await second.ended).code).toBe(1);
    expect(second.stderr).toMatch(
      /^Footfall cannot start: .*footfall\.db is in use by another process\..*DATA_DIR.*\n$/,
    );
    expect((await post(first.url, EVENT)).status).toBe(201);
  });

  it('names every bad setting at once and does not start', async () => {
    const service = await ServiceProcess.spawn({ PORT: 'abc', LOG_LEVEL: 'loud', KAFKA_BROKERS: 'nowhere' });
    expect((await service.ended).code).toBe(2);
    for (const name of ['PORT', 'LOG_LEVEL', 'KAFKA_BROKERS']) expect(service.stderr).toContain(`- ${name} `);
    expect(service.stderr).not.toContain('at ');
  });

  it('reads .env, and lets the environment win', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, '.env'), '# a comment\nKAFKA_TOPIC=from-file\nLOG_LEVEL=silly\n');
    const service = await ServiceProcess.start({ LOG_LEVEL: 'info' }, folder);
    expect((await post(service.url, EVENT)).headers.get('event-topic')).toBe('from-file');
  });

  it('says which port is taken', async () => {
    const first = await ServiceProcess.start();
    const second = await ServiceProcess.spawn({ PORT: new URL(first.url).port });
    expect((await second.ended).code).toBe(1);
    expect(second.stderr).toMatch(/Port \d+ on 127\.0\.0\.1 is taken/);
  });

  it('is ended at once by a second signal', async () => {
    const service = await ServiceProcess.start();
    await openEndedRequest(service.url);
    service.signal('SIGTERM');
    await service.untilSaid(/is stopping/);
    expect(await service.kill('SIGTERM')).toEqual({ code: 1, signal: null });
  });

  it('gives up at the deadline on what does not finish', async () => {
    const service = await ServiceProcess.start({ SHUTDOWN_TIMEOUT_MS: '300' });
    await openEndedRequest(service.url);
    expect(await service.kill('SIGTERM')).toEqual({ code: 1, signal: null });
  });
});
