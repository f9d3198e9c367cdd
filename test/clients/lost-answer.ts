import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { TestCluster } from './ground.ts';

/** Stands before a service, and loses its first answer: the events are taken, and the client does not learn it. */
export class LostAnswer {
  readonly url: string;
  #lost = 0;

  private constructor(url: string) {
    this.url = url;
  }

  static async before(target: string, ground: TestCluster): Promise<LostAnswer> {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    ground.ends(async () => {
      server.closeAllConnections();
      server.close();
    });
    const proxy = new LostAnswer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (request, response) => void proxy.#pass(target, request, response));
    return proxy;
  }

  /** @throws Error where the client has sent nothing */
  assertLost(): void {
    if (this.#lost !== 1) throw new Error('no answer was lost: the client has sent nothing');
  }

  async #pass(target: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const { method, url, headers } = request;
    const upstream = forward(`${target}${url}`, { method, headers });
    upstream.end(body);
    upstream.on('response', async (answer) => {
      const text = await buffer(answer);
      if (method === 'POST' && this.#lost === 0) {
        this.#lost++;
        response.destroy();
      } else response.writeHead(answer.statusCode!, answer.headers).end(text);
    });
  }
}
