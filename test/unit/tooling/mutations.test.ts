import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FAULTS } from '../../faults/faults.ts';
import { MUTATIONS } from '../../faults/mutations.ts';
import { MUTATIONS as SIMULATED } from '../../simulator/mutations.ts';

const CHANGES = [
  ...Object.values(MUTATIONS).flatMap(({ changes }) => changes),
  ...Object.values(SIMULATED).flat(),
];

describe('the mutations that check the checker', () => {
  it.each(CHANGES)('still fit $file', ({ file, from }) => {
    expect(readFileSync(file, 'utf8').split(from)).toHaveLength(2);
  });

  it('are to show under faults that there are', () => {
    const names = FAULTS.map(({ name }) => name);
    expect(
      Object.values(MUTATIONS).flatMap(({ under }) => under.filter((name) => !names.includes(name))),
    ).toEqual([]);
  });
});
