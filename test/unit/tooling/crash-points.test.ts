import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { crashPoints } from '../../faults/crash-points.ts';

/** The files that a running service has loaded. */
function loadedFrom(path: string, loaded = new Set<string>()): Set<string> {
  loaded.add(path);
  for (const [, specifier] of readFileSync(path, 'utf8').matchAll(/(?:from |import\()'(\.[^']+\.ts)'/g)) {
    const next = join(dirname(path), specifier!);
    if (!loaded.has(next)) loadedFrom(next, loaded);
  }
  return loaded;
}

// An instance that never comes to the point at which it should die would be waited for in vain.
it('an instance loads every file in which torture lets it die', () => {
  const loaded = loadedFrom('src/service.ts');
  const points = crashPoints().map(({ id }) => id.split(':')[0]!);
  expect(points).not.toEqual([]);
  expect(points.filter((file) => !loaded.has(file))).toEqual([]);
});
