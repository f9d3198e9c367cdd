import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from '../faults/mutations.ts';
import { MUTATIONS as SIMULATED } from '../simulator/mutations.ts';

describe('the mutations that check the checker', () => {
  it.each([MUTATIONS, SIMULATED].flatMap((each) => Object.values(each).flat()))(
    'still fit $file',
    ({ file, from }) => {
      expect(readFileSync(file, 'utf8').split(from)).toHaveLength(2);
    },
  );
});
