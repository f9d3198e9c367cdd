import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Ephemeral ports start above this, so a port free here is still free when it is used. */
const FREE_PORTS = { from: 10_000, to: 32_000 };

/** A port nobody listens on, outside the range that the system assigns by itself. */
export async function freePort(): Promise<number> {
  const port = randomInt(FREE_PORTS.from, FREE_PORTS.to);
  return (await canListen(port)) ? port : freePort();
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
  });
  if (isFree) await new Promise((resolve) => server.close(resolve));
  return isFree;
}
