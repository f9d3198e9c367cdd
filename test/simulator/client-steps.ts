import type { StepDefinition } from './steps.ts';

const once = { weight: 1, lasts: [0, 0], hows: [''] } as const;

export const CLIENT_STEPS = {
  post: {
    isFault: false,
    weight: 8,
    counts: [1, 4],
    lasts: [0, 0],
    hows: ['once', 'again until it is answered'],
    run: ({ clients }, { who, count, how }) => clients.post(who, count, how !== 'once'),
    describe: ({ who, count, how }) => `user ${who} posts ${count} event(s), ${how}`,
  },
  'post again': {
    ...once,
    isFault: false,
    counts: [1, 6],
    hows: ['the same', 'with another body'],
    run: ({ clients }, { who, count, how }) => clients.postAgain(who, count, how === 'the same'),
    describe: ({ who, count, how }) => `user ${who} posts the event of ${count} posts ago once more, ${how}`,
  },
  junk: {
    ...once,
    isFault: false,
    weight: 1.5,
    counts: [1, 3],
    hows: ['no value', 'no JSON', 'no event', 'an event without type'],
    run: ({ clients }, { who, count, how }) => clients.junk(who, count, how),
    describe: ({ who, count, how }) => `${count} record(s) with ${how} for user ${who}`,
  },
  'foreign transaction': {
    isFault: false,
    weight: 1.5,
    counts: [1, 4],
    lasts: [10, 3000],
    hows: ['commits', 'commits', 'aborts', 'commits under another leader', 'never ends'],
    run: (simulation, { who, count, ms, how }) =>
      simulation.clients.transaction(who, count, {
        ms: how === 'never ends' ? undefined : ms,
        commits: how !== 'aborts',
        leaderChanges: how === 'commits under another leader',
      }),
    describe: ({ who, count, ms, how }) =>
      `another producer's transaction of ${count} event(s), users ${who}…, ${how}${how === 'never ends' ? '' : ` after ${ms} ms`}`,
  },
  redrive: {
    ...once,
    isFault: false,
    weight: 0.5,
    counts: [0, 0],
    run: (simulation, { who }) => simulation.redrive(who),
    describe: ({ who }) => `instance ${who} appends the dead letters again`,
  },
} satisfies Record<string, StepDefinition>;
