import type { Loss } from './conditions.ts';
import type { StepDefinition } from './steps.ts';

const plain = { isFault: true, weight: 1, counts: [0, 0], lasts: [0, 0], hows: [''] } as const;
const LOSSES: Loss[] = ['lost before', 'lost after', 'lost after', 'late'];

export const STORE_STEPS = {
  'store away': {
    ...plain,
    lasts: [50, 4000],
    hows: ['refuses', 'does not answer'],
    run: ({ world }, { ms, how }) => {
      const until = world.scheduler.now + ms;
      world.conditions.breakOff({ process: undefined, dependency: 'store', until, hangs: how !== 'refuses' });
    },
    describe: ({ ms, how }) => `the store ${how} for ${ms} ms`,
  },
  'commit loses its answer': {
    ...plain,
    weight: 2,
    counts: [1, 3],
    hows: LOSSES,
    run: ({ world }, { count, how }) => world.conditions.lose('store.process', how as Loss, count),
    describe: ({ count, how }) => `the next ${count} commit(s): ${how}`,
  },
  'claim loses its answer': {
    ...plain,
    weight: 0.5,
    counts: [1, 2],
    hows: LOSSES,
    run: ({ world }, { count, how }) => world.conditions.lose('store.claim', how as Loss, count),
    describe: ({ count, how }) => `the next ${count} claim(s): ${how}`,
  },
  'store goes back': {
    ...plain,
    breaksLater: true,
    counts: [1, 5],
    lasts: [1, 1500],
    hows: ['at once', 'after an outage'],
    run: (simulation, { count, ms, how }) => {
      const goBack = () => simulation.storeGoesBack(count);
      if (how === 'at once') return goBack();
      const { world } = simulation;
      const until = world.scheduler.now + ms;
      world.conditions.breakOff({ process: undefined, dependency: 'store', until, hangs: false });
      world.at(ms / 2, goBack);
    },
    describe: ({ count, how, ms }) =>
      `the store goes back by ${count} commit(s), ${how === 'at once' ? how : `in an outage of ${ms} ms`}`,
  },
  'store emptied': {
    ...plain,
    weight: 0.4,
    run: (simulation) => simulation.storeEmptied(),
    describe: () => 'the store is emptied',
  },
  'position moved back': {
    ...plain,
    weight: 0.6,
    counts: [1, 5],
    run: (simulation, { where, count }) => simulation.positionMovedBack(where, count),
    describe: ({ where, count }) => `somebody moves the position of partition ${where} back by ${count}`,
  },
  'position moved forward': {
    ...plain,
    weight: 0.6,
    counts: [1, 5],
    run: (simulation, { where, count }) => simulation.positionMovedForward(where, count),
    describe: ({ where, count }) => `somebody moves the position of partition ${where} forward by ${count}`,
  },
} satisfies Record<string, StepDefinition>;
