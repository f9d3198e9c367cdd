import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { expect, it, onTestFinished, vi } from 'vitest';
import { ReaderPatience } from '../../../../src/api/hooks/slow-peers.ts';
import { RUNS_OUT_MS } from '../../../support/patience.ts';
import { stopClock } from '../../../support/stopped-clock.ts';

/** `expect.poll` moves a stopped clock on, which must not matter. */
const WINDOW_MS = 100 * RUNS_OUT_MS;
const LOOK_MS = WINDOW_MS / 5;

/** An answer to a client that reads nothing before it is told to. */
async function answering(patience: ReaderPatience) {
  const { promise, resolve } = Promise.withResolvers<ServerResponse>();
  const server = createServer((_request, response) => resolve(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  reader.on('error', () => {});
  reader.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  onTestFinished(() => {
    reader.destroy();
    server.close();
  });
  const answer = await promise;
  patience.watch({ method: 'GET' } as FastifyRequest, answer);
  return { answer, reader };
}

/** More than the system takes for a reader that does not read. */
async function writeMuch(answer: ServerResponse): Promise<void> {
  answer.write('x'.repeat(20_000_000));
  await expect.poll(() => answer.socket!.writableLength).toBeGreaterThan(0);
}

function patienceByHand(): ReaderPatience {
  stopClock();
  return new ReaderPatience(WINDOW_MS);
}

it('a reader that takes nothing is cut once, and not twice, after the time there is', async () => {
  const { answer } = await answering(patienceByHand());
  await writeMuch(answer);
  vi.advanceTimersByTime(WINDOW_MS - LOOK_MS);
  expect(answer.destroyed).toBe(false);
  vi.advanceTimersByTime(2 * LOOK_MS);
  expect(answer.destroyed).toBe(true);
});

it('one that takes something has all the time again', async () => {
  const { answer, reader } = await answering(patienceByHand());
  await writeMuch(answer);
  vi.advanceTimersByTime(WINDOW_MS - LOOK_MS);
  reader.resume();
  await expect.poll(() => answer.socket!.writableLength).toBe(0);
  reader.pause();
  await writeMuch(answer);
  vi.advanceTimersByTime(WINDOW_MS - LOOK_MS);
  expect(answer.destroyed).toBe(false);
});

it('one that waits for what is not written yet is left alone', async () => {
  const { answer } = await answering(patienceByHand());
  vi.advanceTimersByTime(10 * WINDOW_MS);
  answer.write('a beginning');
  await expect.poll(() => answer.writableLength).toBe(0);
  vi.advanceTimersByTime(10 * WINDOW_MS);
  expect(answer.destroyed).toBe(false);
});
