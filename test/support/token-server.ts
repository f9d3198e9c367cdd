import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

const KEY_ID = 'test';

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** An identity provider: gives tokens for client credentials, and the key that they are signed with. */
export class TokenServer {
  readonly clientId = 'footfall app';
  clientSecret = 'p%+ss:wörd';
  /** Of the tokens it gives from now on. */
  lifeSeconds = 3600;
  /** The `sub` of the tokens: the user in Kafka. */
  user = 'footfall';
  /** Answers 503 instead. */
  isDown = false;
  /** Signs with a key that the broker does not know. */
  isForged = false;
  /** The forms that were sent, oldest first. */
  readonly asked: URLSearchParams[] = [];
  readonly #keys = newKeys();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<TokenServer> {
    const server = new TokenServer();
    await once(server.#server.listen(0, '127.0.0.1'), 'listening');
    return server;
  }

  get tokenUrl(): string {
    return `${this.#origin}/token`;
  }

  get jwksUrl(): string {
    return `${this.#origin}/jwks`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get #origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url === '/jwks') {
      const key = this.#keys.publicKey.export({ format: 'jwk' });
      return void send(200, { keys: [{ ...key, kid: KEY_ID, use: 'sig', alg: 'ES256' }] });
    }
    const form = new URLSearchParams(await text(request));
    this.asked.push(form);
    if (this.isDown) return void send(503, { error: 'temporarily_unavailable' });
    if (request.headers.authorization !== this.#credentials()) {
      return void send(401, { error: 'invalid_client', error_description: 'unknown client or secret' });
    }
    send(200, { access_token: this.#token(), token_type: 'Bearer', expires_in: this.lifeSeconds });
  }

  /** RFC 6749, section 2.3.1: each part encoded as in a form. */
  #credentials(): string {
    const parts = [this.clientId, this.clientSecret].map((part) =>
      encodeURIComponent(part).replaceAll('%20', '+'),
    );
    return `Basic ${Buffer.from(parts.join(':')).toString('base64')}`;
  }

  #token(): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = { sub: this.user, iat: now, exp: now + this.lifeSeconds, jti: randomUUID() };
    const signed = [{ alg: 'ES256', kid: KEY_ID, typ: 'JWT' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const { privateKey } = this.isForged ? newKeys() : this.#keys;
    const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const };
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
  }
}
