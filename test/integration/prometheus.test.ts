import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { hasProgram } from '../support/certificates.ts';

it.runIf(hasProgram('promtool', '--version', 'tests of the rules for Prometheus'))(
  'the rules for Prometheus say what their tests expect',
  () => {
    const options = { cwd: 'deploy/prometheus', encoding: 'utf8' } as const;
    const { stdout, stderr, status } = spawnSync('promtool', ['test', 'rules', 'footfall.test.yml'], options);
    expect({ status, stdout, stderr }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('SUCCESS'),
    });
  },
);
