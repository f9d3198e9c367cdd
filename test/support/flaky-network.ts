import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Of so many pieces of answers one is thrown away, and its connection cut. */
const ANSWERS_TO_A_LOSS = 5;
/** Of so many pieces of requests one is thrown away, and its connection cut. */
const REQUESTS_TO_A_LOSS = 37;
/** After so many lost answers every connection is cut. */
const LOSSES_TO_A_CUT = 10;

/**
 * Stands between a client and the service, loses answers and cuts connections. It does so by count and not by time: a
 * client on a slow machine meets as many faults, and gets on between them.
 */
export class FlakyNetwork {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCalm = false;
  #requests = 0;
  #answers = 0;
  #lost = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  /** @param target where the service answers. Ends with the test. */
  static async start(target: string): Promise<FlakyNetwork> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const network = new FlakyNetwork(server);
    const port = Number(new URL(target).port);
    server.on('connection', (client) => network.#join(client, connect(port, '127.0.0.1')));
    onTestFinished(() => network.#stop());
    return network;
  }

  /** How many answers did not arrive although the service had given them. */
  get lostAnswers(): number {
    return this.#lost;
  }

  /** From now on everything arrives. */
  calm(): void {
    this.#isCalm = true;
  }

  #join(client: Socket, upstream: Socket): void {
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        other.destroySoon();
        this.#sockets.delete(one);
      });
    }
    client.on('data', (piece) => {
      if (!this.#isCalm && ++this.#requests % REQUESTS_TO_A_LOSS === 0) client.resetAndDestroy();
      else upstream.write(piece);
    });
    upstream.on('data', (piece) => {
      if (this.#isCalm || ++this.#answers % ANSWERS_TO_A_LOSS > 0) client.write(piece);
      else this.#lose(client);
    });
  }

  #lose(client: Socket): void {
    client.resetAndDestroy();
    if (++this.#lost % LOSSES_TO_A_CUT === 0) for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async #stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }
}
