import { readFileSync } from 'node:fs';
import type { RequestListener, Server, ServerOptions } from 'node:http';
import { createServer, type Server as HttpsServer } from 'node:https';
import { createSecureContext } from 'node:tls';

/** Paths of PEM files: the certificate with its chain, and its key. */
interface CertificateFiles {
  cert: string;
  key: string;
}

/** The certificate of this service. It can be renewed while connections are open, which keep the old one. */
export class Certificate {
  readonly #files: CertificateFiles;
  readonly #servers: HttpsServer[] = [];
  #pem: { cert: Buffer; key: Buffer };

  /** @throws Error saying which file cannot be read, or that key and certificate do not match */
  constructor(files: CertificateFiles) {
    this.#files = files;
    this.#pem = readPem(files);
  }

  /** Reloads the files. @throws as the constructor; the current certificate then stays in use */
  reload(): void {
    this.#pem = readPem(this.#files);
    for (const server of this.#servers) server.setSecureContext(this.#pem);
  }

  /** A server that speaks only TLS. One per address: `localhost` may resolve to two. */
  createServer(listener: RequestListener, options: ServerOptions): Server {
    const server = createServer({ ...options, ...this.#pem }, listener);
    this.#servers.push(server);
    return server as unknown as Server;
  }
}

function readPem({ cert, key }: CertificateFiles): { cert: Buffer; key: Buffer } {
  const pem = { cert: readFileSync(cert), key: readFileSync(key) };
  createSecureContext(pem);
  return pem;
}
