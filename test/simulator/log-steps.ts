import type { Loss } from './conditions.ts';
import { BEHIND_LAST_RECORD, LAST_OFFSETS, RESTORE_HOWS } from './log-faults.ts';
import type { StepDefinition } from './steps.ts';

const plain = { isFault: true, weight: 1, counts: [0, 0], lasts: [0, 0], hows: [''] } as const;
const LOSSES: Loss[] = ['lost before', 'lost after', 'late', 'partly'];

export const LOG_STEPS = {
  'log away': {
    ...plain,
    lasts: [50, 4000],
    hows: ['refuses', 'does not answer'],
    run: ({ world }, { ms, how }) => {
      const until = world.scheduler.now + ms;
      world.conditions.breakOff({ process: undefined, dependency: 'log', until, hangs: how !== 'refuses' });
    },
    describe: ({ ms, how }) => `the log ${how} for ${ms} ms`,
  },
  'append loses its answer': {
    ...plain,
    counts: [1, 3],
    hows: LOSSES,
    run: ({ world }, { count, how }) => world.conditions.lose('log.append', how as Loss, count),
    describe: ({ count, how }) => `the next ${count} append(s): ${how}`,
  },
  'log cut': {
    ...plain,
    rewritesLog: true,
    counts: [1, 4],
    hows: [LAST_OFFSETS, LAST_OFFSETS, BEHIND_LAST_RECORD],
    run: ({ logFaults }, { where, count, how }) => logFaults.cut(where, count, how),
    describe: ({ where, count, how }) =>
      `an unclean election: partition ${where} loses ${how === BEHIND_LAST_RECORD ? how : `its last ${count} offset(s)`}, the next ones have a higher epoch`,
  },
  'log and store go back': {
    ...plain,
    rewritesLog: true,
    breaksLater: true,
    weight: 0.7,
    counts: [1, 3],
    lasts: [100, 2500],
    run: (simulation, { where, count, ms }) => simulation.logAndStoreGoBack(where, count, ms),
    describe: ({ where, count, ms }) =>
      `partition ${where} loses its last ${count} offset(s), as many are posted, and after ${ms} ms the store goes back to where it had the same offset before`,
  },
  'marker lost': {
    ...plain,
    rewritesLog: true,
    breaksLater: true,
    weight: 0.7,
    lasts: [100, 2500],
    run: (simulation, { where, ms }) => simulation.markerLost(where, ms),
    describe: ({ where, ms }) =>
      `in partition ${where} another producer's transaction, with an event posted behind it, ends under another leader, and is open again after ${ms} ms: an unclean election has lost its marker`,
  },
  'log restored': {
    ...plain,
    rewritesLog: true,
    counts: [1, 6],
    hows: RESTORE_HOWS,
    run: ({ logFaults }, { count, how }) => logFaults.restore(count, how),
    describe: ({ count, how }) => `the log is put back to what it was ${count} step(s) ago, ${how}`,
  },
  election: {
    ...plain,
    weight: 0.6,
    run: ({ logFaults }, { where }) => logFaults.elect(where),
    describe: ({ where }) => `another leader for partition ${where}`,
  },
  'end said too low': {
    ...plain,
    weight: 0.7,
    counts: [1, 4],
    lasts: [50, 2500],
    run: ({ logFaults }, { where, count, ms }) => logFaults.sayTooLow(where, count, ms),
    describe: ({ where, count, ms }) =>
      `for ${ms} ms the broker says that partition ${where} ends ${count} offset(s) before it does`,
  },
  retention: {
    ...plain,
    weight: 0.7,
    counts: [0, 5],
    run: ({ logFaults }, { where, count }) => logFaults.retain(where, count),
    describe: ({ where, count }) => `of partition ${where} only the last ${count} offset(s) are kept`,
  },
  'topic created again': {
    ...plain,
    weight: 0.5,
    counts: [1, 3],
    run: ({ logFaults }, { count }) => logFaults.createAgain(count),
    describe: ({ count }) => `the topic is deleted and created again, with ${count} partition(s)`,
  },
  'topic grows': {
    ...plain,
    weight: 0.4,
    lasts: [10, 2000],
    run: ({ logFaults }, { ms }) => logFaults.grow(ms),
    describe: () => 'the topic gets one more partition',
  },
} satisfies Record<string, StepDefinition>;
