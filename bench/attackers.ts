// The other side of `attacks.ts`, in a process of its own: connections that send what costs them little.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';

/** What a process of attackers is started with, as JSON. */
export interface AttackersData {
  attack: AttackName;
  url: string;
  key: string;
}

interface Attack {
  connections: number;
  /** What each connection sends first, the n-th of them, in pieces. */
  opening(key: string, index: number): (Buffer | string)[];
  /** Whether what is answered is read, and the same sent again, by a new connection where this one was closed. */
  repeats: boolean;
  /** Sent from time to time, so that the connection does not look idle. */
  drip?: string;
}

export type AttackName = keyof typeof ATTACKS;

const DRIP_EVERY_MS = 4000;
const MANY_REFUSED = gzipSync(`[${'{},'.repeat(99_999)}{}]`);
const MUCH_TEXT = Buffer.from(
  JSON.stringify({ userId: 'u', eventType: 'LOGIN', payload: { x: 'y'.repeat(990_000) } }),
);
const MUCH_TEXT_GZIPPED = gzipSync(MUCH_TEXT);
const GZIP = 'Content-Encoding: gzip\r\n';

export const ATTACKS = {
  'batches of 100 000 refused elements, 332 bytes each': {
    connections: 90,
    opening: (key) => post(key, '/events/batch', MANY_REFUSED, GZIP),
    repeats: true,
  },
  'bodies of 1 KB that inflate to 1 MB': {
    connections: 300,
    opening: (key) => post(key, '/events/generate', MUCH_TEXT_GZIPPED, GZIP),
    repeats: true,
  },
  'plain bodies of 1 MB': {
    connections: 300,
    opening: (key) => post(key, '/events/generate', MUCH_TEXT),
    repeats: true,
  },
  'bodies that hardly arrive': {
    connections: 44,
    opening: (key, index) => [
      index < 42
        ? `${head(key, 'POST', '/events/batch')}Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n`
        : `${head(key, 'POST', '/events/generate')}Content-Length: 1000000\r\n\r\n`,
    ],
    repeats: false,
    drip: '1\r\n \r\n',
  },
  'readers that take nothing': {
    connections: 150,
    opening: (key) => [`${head(key, 'GET', '/events/processed')}Content-Length: 0\r\n\r\n`],
    repeats: false,
    // Who does not read learns that way alone that it was cut.
    drip: '\r\n',
  },
  'searches through all that is stored': {
    connections: 8,
    opening: (key) => [`${head(key, 'GET', '/events/processed?payload.x=nowhere')}\r\n`],
    repeats: true,
  },
} satisfies Record<string, Attack>;

function head(key: string, method: string, path: string): string {
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n`;
}

function post(key: string, path: string, body: Buffer, encoding = ''): (Buffer | string)[] {
  return [`${head(key, 'POST', path)}${encoding}Content-Length: ${body.length}\r\n\r\n`, body];
}

/** Attacks until its process is ended, with another connection for each that is closed. */
async function keepAttacking({ attack, url, key }: AttackersData, index: number): Promise<void> {
  const { connections: _, opening, repeats, drip }: Attack = ATTACKS[attack];
  for (;;) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    // What is refused or reset is tried again.
    socket.on('error', () => {});
    const closed = once(socket, 'close').catch(() => {});
    const send = () => {
      for (const piece of opening(key, index)) socket.write(piece);
    };
    socket.once('connect', send);
    if (repeats) sendAgain(socket, send);
    else socket.pause();
    const timer = drip === undefined ? undefined : setInterval(() => socket.write(drip), DRIP_EVERY_MS);
    await closed;
    clearInterval(timer);
  }
}

/** Sends the same again as soon as it is answered, which ends with the end of a JSON text. */
function sendAgain(socket: Socket, send: () => void): void {
  socket.on('data', (chunk: Buffer) => {
    if (/[\]}](\r\n0\r\n\r\n)?$/.test(chunk.subarray(-8).toString('latin1'))) send();
  });
}

const [, file, argument] = process.argv;
if (file === import.meta.filename) {
  const data = JSON.parse(argument!) as AttackersData;
  // Connections that are not read keep no process alive.
  process.on('disconnect', () => process.exit());
  for (let index = 0; index < ATTACKS[data.attack].connections; index++) void keepAttacking(data, index);
}
