import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';

it('the Helm chart has the version of the package', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(parse(readFileSync('deploy/helm/footfall/Chart.yaml', 'utf8'))).toMatchObject({
    version,
    appVersion: version,
  });
});
