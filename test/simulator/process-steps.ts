import type { StepDefinition } from './steps.ts';

const plain = { isFault: true, weight: 1, counts: [0, 0], lasts: [0, 0], hows: [''] } as const;

export const PROCESS_STEPS = {
  die: {
    ...plain,
    weight: 2,
    lasts: [10, 1500],
    run: (simulation, { who, ms }) => simulation.die(who, ms),
    describe: ({ who, ms }) => `instance ${who} dies; it is started again after ${ms} ms`,
  },
  stop: {
    ...plain,
    lasts: [10, 1500],
    run: (simulation, { who, ms }) => simulation.stop(who, ms),
    describe: ({ who, ms }) => `instance ${who} is stopped in order, and started again after ${ms} ms`,
  },
  freeze: {
    ...plain,
    weight: 2,
    lasts: [100, 9000],
    run: (simulation, { who, ms }) => simulation.freeze(who, ms),
    describe: ({ who, ms }) => `instance ${who} is frozen for ${ms} ms`,
  },
  'cut off': {
    ...plain,
    lasts: [50, 4000],
    hows: ['log', 'store'],
    run: (simulation, { who, ms, how }) => simulation.cutOff(who, how === 'log' ? 'log' : 'store', ms),
    describe: ({ who, ms, how }) => `instance ${who} cannot reach the ${how} for ${ms} ms`,
  },
  rebalance: {
    ...plain,
    run: ({ world }) => world.groups.shake(),
    describe: () => 'the group is divided once more',
  },
  'one more instance': {
    ...plain,
    lasts: [200, 3000],
    run: (simulation, { ms }) => simulation.guest(ms),
    describe: ({ ms }) => `one more instance, for ${ms} ms`,
  },
  'clock jumps': {
    ...plain,
    weight: 0.3,
    counts: [-600, 600],
    run: ({ world }, { count }) => {
      world.clockSkewMs = count * 1000;
    },
    describe: ({ count }) => `the clocks that write times jump by ${count} s`,
  },
} satisfies Record<string, StepDefinition>;
