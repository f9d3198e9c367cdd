import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Whether a program a test needs is there; where it is not, that is said, and is an error in CI. */
export function hasProgram(name: string, versionFlag: string, tests: string): boolean {
  try {
    execFileSync(name, [versionFlag], { stdio: 'pipe' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || process.env.CI === 'true') throw error;
    console.warn(`\nLEFT OUT: ${tests}. Install ${name} to run them.\n`);
    return false;
  }
}

/** A certificate of an authority that is made for it, for the name localhost alone: paths of PEM files in `folder`. */
export function makeCertificate(folder: string): { ca: string; cert: string; key: string } {
  const [ca, caKey, cert, key] = ['ca.pem', 'ca.key', 'server.pem', 'server.key'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const openssl = (...args: string[]) => execFileSync('openssl', [...request, ...args], { stdio: 'pipe' });
  openssl('-keyout', caKey, '-out', ca, '-subj', '/CN=authority');
  openssl(
    '-CA',
    ca,
    '-CAkey',
    caKey,
    '-keyout',
    key,
    '-out',
    cert,
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost',
  );
  return { ca, cert, key };
}
