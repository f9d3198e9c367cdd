import { execFileSync } from 'node:child_process';
import { issueCertificate, makeAuthority } from '../../src/cli/kafka/certificates.ts';

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
  const authority = makeAuthority(folder);
  return { ca: authority.cert, ...issueCertificate(folder, authority, 'server', 'localhost') };
}
