import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ServiceProcess } from '../support/service-process.ts';

const MOST_MEMORY = 512 * 1024 ** 2;
const EVENT = { userId: 'u', eventType: 'LOGIN' };

function compressed(path: string, body: string): Buffer {
  const bytes = gzipSync(body);
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** So many connections that send the same. */
async function attack(url: string, request: Buffer | string, connections: number): Promise<Socket[]> {
  const sockets = Array.from({ length: connections }, () => connect(Number(new URL(url).port), '127.0.0.1'));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) socket.write(request);
  return sockets;
}

describe('with default settings', () => {
  it.each<[string, Buffer]>([
    ['batches of 100 000 that are all refused', compressed('/events/batch', `[${'{},'.repeat(99_999)}{}]`)],
    [
      'bodies that inflate a thousand times',
      compressed('/events/generate', JSON.stringify({ ...EVENT, payload: { x: 'y'.repeat(990_000) } })),
    ],
  ])('memory stays bounded under %s', async (_what, request) => {
    const service = await ServiceProcess.start();
    const sockets = await attack(service.url, request, 200);
    // Refused elements are slowed: the first answer comes when the service has begun on all of them.
    await Promise.race(sockets.map((socket) => once(socket, 'data')));
    const metrics = async () => (await fetch(`${service.url}/metrics`)).text();
    await expect
      .poll(metrics)
      .toMatch(/footfall_events_rejected_total\{code="(invalid_event|overloaded)"\} \d{2}/);
    expect((await fetch(`${service.url}/livez`)).status).toBe(200);
    expect(service.memory().most).toBeLessThan(MOST_MEMORY);
  });

  it('readers that take nothing hold little, and no writer waits for them', async () => {
    const service = await ServiceProcess.start();
    const events = Array.from({ length: 250 }, () => ({ ...EVENT, payload: { x: 'y'.repeat(20_000) } }));
    const headers = { 'Content-Type': 'application/json' };
    const send = (body: object, path: string) =>
      fetch(`${service.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    for (let batch = 0; batch < 4; batch++) await send(events, '/events/batch?ack=stored');
    const sockets = await attack(
      service.url,
      'GET /events/processed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n',
      150,
    );
    for (const socket of sockets) socket.pause();
    const metrics = async () => (await fetch(`${service.url}/metrics`)).text();
    await expect.poll(metrics).toMatch(/footfall_overload_rejections_total [1-9]/);
    expect((await send(EVENT, '/events/generate')).status).toBe(201);
    expect((await send(events, '/events/batch')).status).toBe(201);
    expect(service.memory().most).toBeLessThan(MOST_MEMORY);
  });
});
