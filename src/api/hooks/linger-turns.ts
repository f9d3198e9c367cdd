import type { Duplex } from 'node:stream';

/** Refused requests must not take time from admitted ones. */
const MOST_LINGERING = 4;
/** Each that waits holds up to 128 KB that have arrived. */
const MOST_WAITING = 100;

/** Lets a few connections at a time discard what arrives, in the order of their responses. */
export class LingerTurns {
  readonly #reading = new Set<Duplex>();
  readonly #waiting = new Map<Duplex, { sender: string; read: () => void }>();

  take(socket: Duplex, sender: string, read: () => void): void {
    this.#waiting.set(socket, { sender, read });
    socket.once('close', () => {
      this.#waiting.delete(socket);
      this.#reading.delete(socket);
      this.#next();
    });
    this.#next();
    if (this.#waiting.size > MOST_WAITING) this.#cutOne();
  }

  #next(): void {
    for (const [socket, { read }] of this.#waiting) {
      if (this.#reading.size >= MOST_LINGERING) return;
      this.#waiting.delete(socket);
      this.#reading.add(socket);
      read();
    }
  }

  /** The oldest of the sender that has most: somebody else's flood must not cost a sender its response. */
  #cutOne(): void {
    const bySender = Map.groupBy(this.#waiting, ([, { sender }]) => sender);
    const [most] = [...bySender.values()].sort((a, b) => b.length - a.length);
    const [oldest] = most![0]!;
    this.#waiting.delete(oldest);
    oldest.destroy();
  }
}
