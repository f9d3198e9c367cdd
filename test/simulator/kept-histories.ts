import type { Plan } from './plan.ts';

interface KeptHistory {
  /** What once went wrong in it. */
  why: string;
  /** The mutation that puts that back, if there is one: it must break a promise in this history. */
  mutation?: string;
  plan: Plan;
}

/** Histories that once broke a promise. Every campaign begins with them. */
export const KEPT: readonly KeptHistory[] = [
  {
    why: 'a log that was cut behind the last record and written again: what took the place of the marker was passed over',
    mutation: 'what held no record is not read again',
    plan: {
      seed: 5564,
      members: 3,
      readers: false,
      world: {
        partitions: 3,
        latency: { leastMs: 1, mostMs: 20, slowMs: 20, slowChance: 0 },
        fetchOffsets: 3,
        sessionMs: 2000,
        toldAfterMs: 200,
      },
      observer: false,
      lastly: 'heals',
      steps: [
        { at: 977, kind: 'foreign transaction', who: 2, where: 10, count: 4, ms: 1840, how: 'aborts' },
        { at: 3613, kind: 'log away', who: 10, where: 2, count: 0, ms: 1425, how: 'does not answer' },
        { at: 3745, kind: 'post', who: 6, where: 10, count: 1, ms: 0, how: 'once' },
        { at: 4820, kind: 'cut off', who: 1, where: 1, count: 0, ms: 3996, how: 'log' },
        { at: 5731, kind: 'store away', who: 2, where: 5, count: 0, ms: 3118, how: 'does not answer' },
        { at: 5855, kind: 'post', who: 9, where: 5, count: 3, ms: 0, how: 'once' },
        { at: 6515, kind: 'log restored', who: 2, where: 1, count: 6, ms: 0, how: 'much higher epoch' },
        { at: 6626, kind: 'post', who: 11, where: 11, count: 3, ms: 0, how: 'once' },
        { at: 7454, kind: 'foreign transaction', who: 5, where: 9, count: 2, ms: 1765, how: 'aborts' },
      ],
    },
  },
  {
    why: 'a reader of the stream was not told of a store that was emptied to where reading had begun',
    plan: {
      seed: 5740,
      members: 1,
      readers: true,
      world: {
        partitions: 1,
        latency: { leastMs: 0, mostMs: 30, slowMs: 6000, slowChance: 0.02 },
        fetchOffsets: 5,
        sessionMs: 2000,
        toldAfterMs: 4000,
      },
      observer: false,
      lastly: 'heals',
      steps: [
        { at: 445, kind: 'post', who: 11, where: 8, count: 1, ms: 0, how: 'once' },
        { at: 517, kind: 'post again', who: 4, where: 6, count: 6, ms: 0, how: 'the same' },
        { at: 1267, kind: 'die', who: 1, where: 11, count: 0, ms: 1435, how: '' },
        { at: 1709, kind: 'append loses its answer', who: 6, where: 2, count: 1, ms: 0, how: 'late' },
        { at: 2153, kind: 'post', who: 8, where: 8, count: 1, ms: 0, how: 'once' },
        { at: 3935, kind: 'freeze', who: 1, where: 10, count: 0, ms: 1655, how: '' },
        { at: 5241, kind: 'topic created again', who: 4, where: 3, count: 1, ms: 0, how: '' },
        { at: 7994, kind: 'store goes back', who: 5, where: 9, count: 4, ms: 288, how: 'after an outage' },
      ],
    },
  },
  {
    why: 'a reader of the stream missed what was stored again where it had been told that there was nothing',
    plan: {
      seed: 16960,
      members: 1,
      readers: true,
      world: {
        partitions: 2,
        latency: { leastMs: 0, mostMs: 200, slowMs: 200, slowChance: 0 },
        fetchOffsets: 2,
        sessionMs: 6000,
        toldAfterMs: 4000,
      },
      observer: false,
      lastly: 'heals',
      steps: [
        { at: 525, kind: 'post', who: 9, where: 8, count: 4, ms: 0, how: 'once' },
        { at: 610, kind: 'post', who: 10, where: 0, count: 1, ms: 0, how: 'once' },
        { at: 1587, kind: 'freeze', who: 2, where: 3, count: 0, ms: 904, how: '' },
        { at: 2224, kind: 'freeze', who: 10, where: 8, count: 0, ms: 8112, how: '' },
        { at: 3169, kind: 'post again', who: 0, where: 8, count: 6, ms: 0, how: 'the same' },
        { at: 3171, kind: 'post', who: 3, where: 8, count: 1, ms: 0, how: 'again until it is answered' },
        { at: 3178, kind: 'post', who: 10, where: 3, count: 2, ms: 0, how: 'again until it is answered' },
        { at: 3442, kind: 'redrive', who: 7, where: 1, count: 0, ms: 0, how: '' },
        { at: 3774, kind: 'store emptied', who: 1, where: 9, count: 0, ms: 0, how: '' },
        { at: 6390, kind: 'post', who: 8, where: 0, count: 1, ms: 0, how: 'again until it is answered' },
        { at: 6502, kind: 'post', who: 5, where: 10, count: 4, ms: 0, how: 'once' },
        { at: 6915, kind: 'post', who: 3, where: 9, count: 4, ms: 0, how: 'again until it is answered' },
        { at: 7027, kind: 'freeze', who: 6, where: 9, count: 0, ms: 7097, how: '' },
        { at: 7309, kind: 'post', who: 10, where: 6, count: 3, ms: 0, how: 'once' },
        { at: 7877, kind: 'post again', who: 8, where: 3, count: 3, ms: 0, how: 'the same' },
      ],
    },
  },
  {
    why: 'work that was put off while a process was frozen never reached it (a fault of the simulator)',
    plan: {
      seed: 8168,
      members: 1,
      readers: true,
      world: {
        partitions: 1,
        latency: { leastMs: 0, mostMs: 1, slowMs: 1, slowChance: 0 },
        fetchOffsets: 3,
        sessionMs: 6000,
        toldAfterMs: 200,
      },
      observer: false,
      lastly: 'heals',
      steps: [
        { at: 130, kind: 'foreign transaction', who: 2, where: 0, count: 3, ms: 1602, how: 'never ends' },
        { at: 324, kind: 'foreign transaction', who: 2, where: 10, count: 3, ms: 1898, how: 'commits' },
        { at: 429, kind: 'post', who: 0, where: 5, count: 3, ms: 0, how: 'once' },
        { at: 657, kind: 'freeze', who: 4, where: 9, count: 0, ms: 6883, how: '' },
        { at: 784, kind: 'post', who: 6, where: 2, count: 4, ms: 0, how: 'once' },
        { at: 785, kind: 'post again', who: 5, where: 8, count: 6, ms: 0, how: 'with another body' },
        { at: 1166, kind: 'post', who: 2, where: 1, count: 4, ms: 0, how: 'again until it is answered' },
        { at: 1180, kind: 'junk', who: 3, where: 3, count: 2, ms: 0, how: 'no JSON' },
        { at: 1247, kind: 'log cut', who: 0, where: 9, count: 3, ms: 0, how: '' },
        { at: 1298, kind: 'post again', who: 1, where: 11, count: 5, ms: 0, how: 'the same' },
      ],
    },
  },
  {
    why: 'a position that went back and came as far again was taken for the same',
    mutation: 'a position is its offset alone',
    plan: {
      seed: 501,
      members: 1,
      readers: false,
      observer: false,
      lastly: 'heals',
      world: {
        partitions: 1,
        latency: { leastMs: 0, mostMs: 1, slowMs: 1, slowChance: 0 },
        fetchOffsets: 100,
        sessionMs: 6000,
        toldAfterMs: 200,
      },
      steps: [
        { at: 3425, kind: 'junk', who: 8, where: 0, count: 1, ms: 0, how: 'an event without type' },
        { at: 3539, kind: 'log and store go back', who: 4, where: 11, count: 1, ms: 1448, how: '' },
      ],
    },
  },
  {
    why: 'the leader epoch of a marker was asked for for ever after an unclean election had lost it',
    mutation: 'an epoch that the log has forgotten is asked for',
    plan: {
      seed: 44,
      members: 2,
      readers: false,
      observer: false,
      lastly: 'heals',
      world: {
        partitions: 1,
        latency: { leastMs: 0, mostMs: 200, slowMs: 200, slowChance: 0 },
        fetchOffsets: 100,
        sessionMs: 6000,
        toldAfterMs: 200,
      },
      steps: [
        { at: 735, kind: 'marker lost', who: 3, where: 10, count: 0, ms: 1768, how: '' },
        { at: 1751, kind: 'one more instance', who: 1, where: 10, count: 0, ms: 803, how: '' },
      ],
    },
  },
  {
    why: 'a reader of the stream missed what was stored again after the store had gone back',
    mutation: 'the live tail misses what is stored again',
    plan: {
      seed: 1466,
      members: 1,
      readers: true,
      observer: false,
      lastly: 'heals',
      world: {
        partitions: 1,
        latency: { leastMs: 0, mostMs: 30, slowMs: 6000, slowChance: 0.02 },
        fetchOffsets: 100,
        sessionMs: 2000,
        toldAfterMs: 200,
      },
      steps: [
        { at: 350, kind: 'post', who: 4, where: 1, count: 1, ms: 0, how: 'again until it is answered' },
        { at: 3352, kind: 'log and store go back', who: 6, where: 2, count: 1, ms: 318, how: '' },
      ],
    },
  },
  {
    why: 'what a position was moved past was not said once the topic was created again with fewer partitions',
    mutation: 'what a hand passed over is said only where the topic still has the partition',
    plan: {
      seed: 2336,
      members: 2,
      readers: false,
      observer: false,
      lastly: 'heals',
      world: {
        partitions: 3,
        latency: { leastMs: 0, mostMs: 30, slowMs: 6000, slowChance: 0.02 },
        fetchOffsets: 100,
        sessionMs: 2000,
        toldAfterMs: 200,
      },
      steps: [
        { at: 176, kind: 'post', who: 3, where: 10, count: 1, ms: 0, how: 'again until it is answered' },
        { at: 1243, kind: 'position moved forward', who: 4, where: 2, count: 1, ms: 0, how: '' },
        { at: 1760, kind: 'topic created again', who: 4, where: 7, count: 1, ms: 0, how: '' },
      ],
    },
  },
  {
    why: 'the end of the log, read before a claim that took long, hid that the log had been restored meanwhile',
    mutation: 'the end of the log is believed for as long as a claim takes',
    plan: {
      seed: 1489,
      members: 2,
      readers: false,
      observer: false,
      lastly: 'heals',
      world: {
        partitions: 1,
        latency: { leastMs: 1, mostMs: 20, slowMs: 20, slowChance: 0 },
        fetchOffsets: 100,
        sessionMs: 6000,
        toldAfterMs: 4000,
      },
      steps: [
        { at: 21, kind: 'post', who: 11, where: 5, count: 1, ms: 0, how: 'once' },
        { at: 261, kind: 'log restored', who: 8, where: 1, count: 1, ms: 0, how: 'same epoch' },
        { at: 543, kind: 'post', who: 5, where: 5, count: 1, ms: 0, how: 'once' },
      ],
    },
  },
  {
    why: 'a broker that had just started gave an old end of the log: taken for lost records',
    mutation: 'an old end of the log counts as a loss (found by torture)',
    plan: {
      seed: 7,
      members: 1,
      readers: false,
      observer: false,
      lastly: 'heals',
      world: {
        partitions: 1,
        latency: { leastMs: 0, mostMs: 1, slowMs: 1, slowChance: 0 },
        fetchOffsets: 100,
        sessionMs: 6000,
        toldAfterMs: 200,
      },
      steps: [
        { at: 869, kind: 'post', who: 0, where: 7, count: 1, ms: 0, how: 'again until it is answered' },
        { at: 1226, kind: 'topic created again', who: 4, where: 2, count: 1, ms: 0, how: '' },
        { at: 1883, kind: 'end said too low', who: 10, where: 4, count: 1, ms: 486, how: '' },
      ],
    },
  },
];
