import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of PEM files. */
export interface Pair {
  cert: string;
  key: string;
}

const NEW_KEY = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A certificate authority: `<name>.pem` and `<name>.key` in `folder`. Needs openssl. */
export function makeAuthority(folder: string, name = 'ca'): Pair {
  return make(folder, name, ['-subj', '/CN=authority']);
}

/** A certificate of that authority: for servers, and as the name of a client. */
export function issueCertificate(folder: string, authority: Pair, name: string, commonName: string): Pair {
  const subject = ['-subj', `/CN=${commonName}`, '-addext', `subjectAltName=DNS:${commonName}`];
  return make(folder, name, ['-CA', authority.cert, '-CAkey', authority.key, ...subject]);
}

function make(folder: string, name: string, options: string[]): Pair {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  execFileSync('openssl', [...NEW_KEY, '-keyout', key, '-out', cert, ...options], { stdio: 'pipe' });
  return { cert, key };
}

/** Key and certificate in one file, as Kafka's brokers want them. */
export function joinPair(folder: string, name: string, { cert, key }: Pair): string {
  const path = join(folder, `${name}-keystore.pem`);
  writeFileSync(path, Buffer.concat([readFileSync(key), readFileSync(cert)]), { mode: 0o600 });
  return path;
}
