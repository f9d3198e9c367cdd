import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from '../faults/mutations.ts';

describe('the mutations that check the checker', () => {
  it.each(Object.values(MUTATIONS).flat())('still fit $file', ({ file, from }) => {
    expect(readFileSync(file, 'utf8').split(from)).toHaveLength(2);
  });
});
