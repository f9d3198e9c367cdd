import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { serviceHere } from '../support/service.ts';

describe('a body that inflates to more than there is room for', () => {
  it('keeps its connection when it is turned away, and holds nothing more', async () => {
    const { url } = await serviceHere({ MAX_IN_FLIGHT_BYTES: '1000000' });
    const event = { userId: 'u', eventType: 'LOGIN', payload: { x: 'y'.repeat(900_000) } };
    const body = gzipSync(JSON.stringify(event));
    const head = `POST /events/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`;
    const sockets = Array.from({ length: 8 }, () => connect(Number(new URL(url).port), '127.0.0.1'));
    const said = sockets.map(() => '');
    for (const [at, socket] of sockets.entries()) {
      socket.on('data', (chunk) => {
        said[at] = `${said[at]}${chunk}`;
      });
      socket.write(Buffer.concat([Buffer.from(head), body]));
    }
    const refused = () => said.filter((text) => text.startsWith('HTTP/1.1 503 '));
    await expect.poll(() => said.filter((text) => text !== '').length).toBe(8);
    expect(refused().length).toBeGreaterThan(0);
    for (const text of refused()) expect(text).not.toMatch(/\r\nconnection: close\r\n/i);
    const metrics = async () => (await fetch(`${url}/metrics`)).text();
    await expect.poll(metrics).toContain('footfall_requests_in_flight_bytes 0');
    for (const socket of sockets) socket.destroy();
  });
});
