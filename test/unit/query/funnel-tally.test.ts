import { describe, expect, it } from 'vitest';
import { FunnelTally } from '../../../src/query/funnel-tally.ts';

const WITHIN = 100;

/** A user takes a step at a time. */
type Step = [userId: string, step: number, time: number];

function tallyOf(taken: Iterable<Step>, steps = 2): FunnelTally {
  const tally = new FunnelTally({ steps, withinMs: WITHIN, to: 10_000 });
  for (const [userId, step, time] of taken) tally.add({ userId, time, steps: [step] });
  return tally;
}

describe('a tally of a funnel', () => {
  it('knows how far each of very many users got', () => {
    const users = Array.from({ length: 5000 }, (_, at) => `user-${at}`);
    const begin = users.map((user, at): Step => [user, 0, at]);
    const goOn = users.map((user, at): Step => [user, 1, at + (at < 4000 ? WITHIN : WITHIN + 1)]);
    expect(tallyOf([...begin, ...goOn]).result()).toEqual([
      { users: 5000, medianMs: null },
      { users: 4000, medianMs: WITHIN },
    ]);
  });

  it.each([
    ['none', [], null],
    ['one', [7], 7],
    ['an odd number, in any order', [9, 1, 10, 2, 3], 3],
    ['an even number, in any order', [9, 1, 10, 2], 5.5],
  ])('tells the median of %s', (_what, gaps, medianMs) => {
    const steps = gaps.flatMap((gap, at): Step[] => [
      [`user-${at}`, 0, 0],
      [`user-${at}`, 1, gap],
    ]);
    expect(tallyOf(steps).result()[1]).toEqual({ users: gaps.length, medianMs });
  });

  it('takes more memory for more users, longer ids and more steps', () => {
    const { bytes } = tallyOf([['ada', 0, 0]]);
    expect(tallyOf([]).bytes).toBe(0);
    expect(tallyOf(['ada', 'bob', 'ada'].map((user): Step => [user, 0, 0])).bytes).toBe(2 * bytes);
    expect(tallyOf([['ada'.repeat(100), 0, 0]]).bytes).toBe(bytes + 2 * 'ada'.length * 99);
    expect(tallyOf([['ada', 0, 0]], 3).bytes).toBeGreaterThan(bytes + 2 * Float64Array.BYTES_PER_ELEMENT);
  });
});
