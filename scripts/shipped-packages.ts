import { globSync, readFileSync } from 'node:fs';

/** A package of somebody else that is in the production image. */
export interface ShippedPackage {
  name: string;
  version: string;
  /** As the package says it, an SPDX expression. */
  license: string;
}

interface LockedPackage {
  version: string;
  license?: string;
  dev?: true;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

const FOLDER = 'node_modules/';

/** The packages that the service runs with, for every platform, and those built into the page, by name. */
export function shippedPackages(): ShippedPackage[] {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  const page = inThePage(packages);
  const shipped = Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && (page.has(path) || !dev))
    .map(([path, { version, license = 'unknown' }]) => {
      return { name: path.slice(path.lastIndexOf(FOLDER) + FOLDER.length), version, license };
    });
  const byId = new Map(shipped.map((one) => [`${one.name}@${one.version}`, one]));
  return [...byId].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

/** Paths of what the page imports, and of what that imports. */
function inThePage(packages: Record<string, LockedPackage>): Set<string> {
  const sources = globSync('dashboard/*.{ts,tsx}').map((path) => readFileSync(path, 'utf8'));
  const imported = sources.flatMap((text) =>
    [...text.matchAll(/^(?:import|export|\}).* from '((?:@[\w.-]+\/)?[\w-][\w.-]*)/gm)].map(
      ([, name]) => `${FOLDER}${name}`,
    ),
  );
  const found = new Set(imported);
  // Also goes through what is added meanwhile. Optional peers may not be there.
  for (const path of found) {
    const { dependencies, peerDependencies } = packages[path]!;
    for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
      if (`${FOLDER}${name}` in packages) found.add(`${FOLDER}${name}`);
    }
  }
  return found;
}
