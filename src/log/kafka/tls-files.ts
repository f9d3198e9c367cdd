import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import { describeCause } from '../../describe-cause.ts';
import type { Logger } from '../../observability/logger.ts';
import { RereadFile } from './reread-file.ts';

interface TlsPaths {
  ca: string | undefined;
  cert: string | undefined;
  key: string | undefined;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

type Pem = Record<keyof TlsPaths, Buffer | undefined>;

/** What TLS to the brokers needs, from files that may be renewed while we run. */
export class TlsFiles {
  readonly #logger: Logger;
  readonly #files: Record<keyof TlsPaths, RereadFile<Buffer> | undefined>;
  #seen: Pem;
  #context: SecureContext;

  /** @throws Error naming the setting whose file cannot be used */
  constructor({ ca, cert, key }: TlsPaths, logger: Logger) {
    const open = (path: string | undefined, setting: string) =>
      path === undefined
        ? undefined
        : new RereadFile({ path, load: (file) => readFileSync(file), setting, logger });
    this.#logger = logger;
    this.#files = {
      ca: open(ca, 'KAFKA_SSL_CA_FILE'),
      cert: open(cert, 'KAFKA_SSL_CERT_FILE'),
      key: open(key, 'KAFKA_SSL_KEY_FILE'),
    };
    this.#seen = this.#read();
    this.#context = toContext(this.#seen);
  }

  /**
   * For the next connection. Never throws: a connection that fails before it is opened stays in the client's pool, as
   * one that everybody waits for.
   */
  get context(): SecureContext {
    const pem = this.#read();
    if (isSame(pem, this.#seen)) return this.#context;
    this.#seen = pem;
    try {
      this.#context = toContext(pem);
      this.#logger.info('The certificates for Kafka were read again');
    } catch (error) {
      // Often one of two files that are being replaced: the next connection looks again.
      this.#logger.warn({ err: error }, 'The new certificates for Kafka cannot be used: the old ones are');
    }
    return this.#context;
  }

  #read(): Pem {
    const { ca, cert, key } = this.#files;
    return { ca: ca?.read(), cert: cert?.read(), key: key?.read() };
  }
}

function isSame(one: Pem, other: Pem): boolean {
  return (['ca', 'cert', 'key'] as const).every((name) => {
    const [left, right] = [one[name], other[name]];
    return left === right || (left !== undefined && right !== undefined && left.equals(right));
  });
}

/** Node ignores files without a certificate: it would trust nobody, or send none. */
function toContext({ ca, cert, key }: Pem): SecureContext {
  if (ca !== undefined) use('KAFKA_SSL_CA_FILE', () => readCertificates(ca));
  if (cert !== undefined) {
    const [own] = use('KAFKA_SSL_CERT_FILE', () => readCertificates(cert));
    const privateKey = use('KAFKA_SSL_KEY_FILE', () => createPrivateKey(key!));
    if (!own!.checkPrivateKey(privateKey)) {
      throw new Error('KAFKA_SSL_KEY_FILE does not belong to the certificate in KAFKA_SSL_CERT_FILE');
    }
  }
  return createSecureContext({ ca, cert, key });
}

function readCertificates(pem: Buffer): X509Certificate[] {
  const blocks = pem.toString('latin1').match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw new Error('it holds no certificate in PEM form');
  return blocks.map((block) => new X509Certificate(block));
}

function use<T>(setting: string, load: () => T): T {
  try {
    return load();
  } catch (error) {
    throw new Error(`${setting} cannot be used: ${describeCause(error)}`, { cause: error });
  }
}
