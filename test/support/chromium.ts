import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** A Chromium of the system; undefined where there is none, which is said, and is an error in CI. */
export function findChromium(): string | undefined {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find((path) => existsSync(path));
  if (found !== undefined) return found;
  if (process.env.CI === 'true') throw new Error('Chromium is needed: apt-get install chromium');
  console.warn('\nLEFT OUT: the tests in a browser. Install Chromium to run them.\n');
  return undefined;
}
