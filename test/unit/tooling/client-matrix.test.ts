import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ROWS, withTable } from '../../clients/matrix.ts';

describe('the matrix of clients', () => {
  it('is what docs/clients.md says (npm run clients -- --write-docs writes it)', () => {
    const page = readFileSync('docs/clients.md', 'utf8');
    expect(page).toBe(withTable(page));
  });

  it('names each client once, and so that --only can list it', () => {
    const names = ROWS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => name.includes(','))).toEqual([]);
  });

  it('names the versions of Go clients that go.mod has', () => {
    const versions = [...readFileSync('test/clients/go/go.mod', 'utf8').matchAll(/^\t\S+ (v\S+)$/gm)];
    const named = ROWS.filter(({ version }) => version.startsWith('v')).map(({ version }) => version);
    expect(named.sort()).toEqual(versions.map(([, version]) => version).sort());
  });
});
