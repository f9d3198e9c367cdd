import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * `pass`: forwards both ways. `blackhole`: accepts and holds everything back, nothing is lost. `mute`: requests
 * get through, answers are thrown away. `delay`: everything arrives late.
 */
type ProxyMode = 'pass' | 'blackhole' | 'mute' | 'delay';

const DELAY_MS = 400;

/** Stands between the service and a server, and treats the traffic as a bad network would. */
export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<[client: Socket, upstream: Socket]>();
  #mode: ProxyMode = 'pass';

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
  }

  /** @param target asked at each connection, so that it may be known later */
  static async start(target: () => number): Promise<TcpProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new TcpProxy(server);
    server.on('connection', (client) => proxy.#join(client, connect(target(), '127.0.0.1')));
    return proxy;
  }

  /** Changes how existing and new connections are treated. Where bytes are missing or still late, it resets them. */
  set(mode: ProxyMode): void {
    const before = this.#mode;
    this.#mode = mode;
    if (before === 'mute' || before === 'delay') this.reset();
    for (const pair of this.#pairs) this.#hold(pair);
  }

  /** Cuts every connection with a TCP reset. */
  reset(): void {
    for (const sockets of this.#pairs) for (const socket of sockets) socket.resetAndDestroy();
  }

  /** Tells the clients that nothing more comes, as a server or a load balancer does with connections it has had enough of. */
  halfClose(): void {
    for (const [client] of this.#pairs) client.end();
  }

  async stop(): Promise<void> {
    this.reset();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket, upstream: Socket): void {
    const pair: [Socket, Socket] = [client, upstream];
    this.#pairs.add(pair);
    client.on('data', (chunk) => this.#forward(chunk, upstream));
    upstream.on('data', (chunk) => {
      if (this.#mode !== 'mute') this.#forward(chunk, client);
    });
    for (const [one, other] of [pair, pair.toReversed() as [Socket, Socket]]) {
      one.on('error', () => {});
      one.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
    this.#hold(pair);
  }

  #forward(chunk: Buffer | string, to: Socket): void {
    if (this.#mode === 'delay') setTimeout(() => to.writable && to.write(chunk), DELAY_MS);
    else if (to.writable) to.write(chunk);
  }

  #hold(pair: readonly Socket[]): void {
    for (const socket of pair) {
      if (this.#mode === 'blackhole') socket.pause();
      else socket.resume();
    }
  }
}
