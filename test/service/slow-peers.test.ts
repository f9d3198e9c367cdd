import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createKey } from '../../src/access/api-keys.ts';
import { openLog } from '../support/embedded-log.ts';
import { replacing } from '../support/replacing.ts';
import { serviceHere } from '../support/service.ts';

describe('a peer that does not go on', () => {
  it('is answered 408 when its body hardly arrives', async () => {
    const { url } = await serviceHere({ BODY_TIMEOUT_MS: '200' });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      'POST /events/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n',
    );
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    const metrics = async () => (await fetch(`${url}/metrics`)).text();
    await expect.poll(metrics).toContain('footfall_requests_in_flight 1');
    await expect
      .poll(async () => {
        if (socket.writable) socket.write('1\r\n \r\n');
        return metrics();
      })
      .toContain('footfall_requests_in_flight 0');
    await expect.poll(() => answer).toMatch(/^HTTP\/1.1 408 /);
  });

  it.each(['/events/generate', '/events/batch'])(
    'holds the room of what it sent to %s until that is in the log, though it has hung up',
    async (path) => {
      const gate = Promise.withResolvers<void>();
      const appending = Promise.withResolvers<void>();
      const { log: own } = await openLog();
      const log = replacing(own, 'append', (append) => async (records) => {
        appending.resolve();
        await gate.promise;
        return append(records);
      });
      const { url } = await serviceHere({}, { log });
      const event = JSON.stringify({ userId: 'u', eventType: 'LOGIN', payload: { x: 'y'.repeat(500_000) } });
      const body = path === '/events/batch' ? `[${event}]` : event;
      const hangingUp = new AbortController();
      const sent = fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body,
        signal: hangingUp.signal,
      });
      await appending.promise;
      hangingUp.abort();
      await expect(sent).rejects.toThrow('aborted');
      // Its connection has closed long before ten others have been answered.
      for (let other = 0; other < 10; other++)
        await fetch(`${url}/livez`, { headers: { Connection: 'close' } });
      const metrics = async () => (await fetch(`${url}/metrics`)).text();
      expect(
        Number(/footfall_requests_in_flight_bytes (\d+)/.exec(await metrics())?.[1]),
      ).toBeGreaterThanOrEqual(500_000);
      gate.resolve();
      await expect.poll(metrics).toContain('footfall_requests_in_flight_bytes 0');
    },
  );

  it('is cut when it takes nothing of a list, and leaves its room to others', async () => {
    const { url } = await serviceHere({ STREAM_TIMEOUT_MS: '200' });
    await storeMuch(url);
    stall(url);
    const metrics = async () => (await fetch(`${url}/metrics`)).text();
    await expect.poll(metrics).toContain('footfall_requests_in_flight_bytes 3000000');
    await expect.poll(metrics).toContain('footfall_requests_in_flight 0');
    expect((await (await fetch(`${url}/events/processed`)).text()).length).toBeGreaterThan(20_000_000);
  });

  it('gives way to others long before that', async () => {
    const { url } = await serviceHere({ STREAM_TIMEOUT_MS: '10000', MAX_IN_FLIGHT_READ_BYTES: '6000000' });
    await storeMuch(url);
    stall(url);
    stall(url);
    const metrics = async () => (await fetch(`${url}/metrics`)).text();
    await expect.poll(metrics).toContain('footfall_requests_in_flight_bytes 6000000');
    await expect.poll(() => statusOf(`${url}/events/processed?limit=1`)).toBe(200);
    expect(await metrics()).toContain('footfall_requests_in_flight_bytes 3000000');
  });

  it('gives way to the same caller alone', async () => {
    const created = ['a', 'b'].map((name) => createKey({ name, scopes: ['read', 'write'] }));
    const [a, b] = created.map(({ key }) => key) as [string, string];
    const { url } = await serviceHere({
      API_KEYS: JSON.stringify(created.map(({ entry }) => entry)),
      STREAM_TIMEOUT_MS: '10000',
      MAX_IN_FLIGHT_READ_BYTES: '6000000',
    });
    await storeMuch(url, a);
    const metrics = async () =>
      (await fetch(`${url}/metrics`, { headers: { Authorization: `Bearer ${a}` } })).text();
    const ofB = stall(url, b);
    await expect.poll(metrics).toContain('footfall_requests_in_flight_bytes 3000000');
    stall(url, a);
    await expect.poll(metrics).toContain('footfall_requests_in_flight_bytes 6000000');
    await expect.poll(() => statusOf(`${url}/events/processed?limit=1`, a)).toBe(200);
    expect(await metrics()).toContain('footfall_requests_in_flight_bytes 3000000');
    let taken = 0;
    ofB.on('data', (chunk: Buffer) => {
      taken += chunk.length;
    });
    ofB.resume();
    await expect.poll(() => taken).toBeGreaterThan(20_000_000);
  });
});

/** 20 MB, more than the system takes for a reader that does not read. */
async function storeMuch(url: string, key?: string): Promise<void> {
  const event = { userId: 'u', eventType: 'LOGIN', payload: { text: 'x'.repeat(500_000) } };
  const body = JSON.stringify(Array.from({ length: 40 }, () => event));
  const headers = { 'Content-Type': 'application/json', ...(key && { Authorization: `Bearer ${key}` }) };
  await fetch(`${url}/events/batch?ack=stored`, { method: 'POST', headers, body });
}

/** Asks for all that is stored, and takes nothing of it. */
function stall(url: string, key?: string): Socket {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').pause();
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  socket.write(
    `GET /events/processed HTTP/1.1\r\nHost: localhost\r\n${key === undefined ? '' : `Authorization: Bearer ${key}\r\n`}Content-Length: 0\r\n\r\n`,
  );
  return socket;
}

async function statusOf(url: string, key?: string): Promise<number> {
  const response = await fetch(url, { headers: { ...(key && { Authorization: `Bearer ${key}` }) } });
  await response.arrayBuffer();
  return response.status;
}
