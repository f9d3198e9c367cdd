import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Stands between a client and the service, and can be cut. */
export class CuttableNetwork {
  readonly url: string;
  /** All that the service has answered. */
  answered = '';
  readonly #clients = new Set<Socket>();
  #isCut = false;

  private constructor(server: Server) {
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  /** @param target where the service answers. Ends with the test. */
  static async start(target: string): Promise<CuttableNetwork> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const network = new CuttableNetwork(server);
    server.on('connection', (client) => network.#join(client, Number(new URL(target).port)));
    onTestFinished(() => {
      network.cut();
      server.close();
    });
    return network;
  }

  /** Ends every connection in the middle, and each new one at once. */
  cut(): void {
    this.#isCut = true;
    for (const client of this.#clients) client.destroySoon();
  }

  repair(): void {
    this.#isCut = false;
  }

  #join(client: Socket, port: number): void {
    if (this.#isCut) return void client.destroy();
    const upstream = connect(port, '127.0.0.1');
    this.#clients.add(client);
    client.on('error', () => {}).on('close', () => upstream.destroy());
    upstream.on('error', () => {}).on('close', () => client.destroySoon());
    client.on('data', (piece) => upstream.write(piece));
    upstream.on('data', (piece) => {
      this.answered += piece;
      client.write(piece);
    });
  }
}
