import { describe, expect, it } from 'vitest';
import { shippedPackages } from '../../../scripts/shipped-packages.ts';

/** They ask for nothing but that their text is passed on. */
const ALLOWED = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT'];

describe('the packages in the image', () => {
  const packages = shippedPackages();

  it('have licences under which anybody may pass them on', () => {
    expect(packages.length).toBeGreaterThan(100);
    expect(packages.filter(({ license }) => !ALLOWED.includes(license))).toEqual([]);
  });

  it('are those of the service and of the page, and none of the tools', () => {
    const names = packages.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['fastify', 'pg', 'preact', '@preact/signals-core', 'uplot']),
    );
    expect(names).not.toContain('vitest');
  });
});
