import { type Random, stream } from './random.ts';
import { STEPS, type StepDefinition, type StepKind } from './steps.ts';
import type { Latency, WorldOptions } from './world.ts';

/** One thing that a client does or that goes wrong, at a virtual time. What a number means, its kind says. */
export interface Step {
  /** Milliseconds from the start. */
  at: number;
  kind: StepKind;
  /** Which instance or user: counted round among those there are. */
  who: number;
  /** Which partition: counted round. */
  where: number;
  count: number;
  ms: number;
  how: string;
}

/** `heals`: nothing. */
type Lastly = 'heals' | 'transactions stay open' | 'nobody reads';

/** All that makes a history: the same plan gives the same history, to the byte. */
export interface Plan {
  seed: number;
  members: number;
  /** Whether somebody reads the stream of events. */
  readers: boolean;
  world: Omit<WorldOptions, 'seed'>;
  /** Whether an instance that only answers requests is there. */
  observer: boolean;
  /** What goes on for long enough to be said, once nothing else breaks any more. */
  lastly: Lastly;
  /** By time. */
  steps: Step[];
}

const LATENCIES: Latency[] = [
  { leastMs: 0, mostMs: 1, slowMs: 1, slowChance: 0 },
  { leastMs: 1, mostMs: 20, slowMs: 20, slowChance: 0 },
  { leastMs: 0, mostMs: 5, slowMs: 1500, slowChance: 0.05 },
  { leastMs: 0, mostMs: 200, slowMs: 200, slowChance: 0 },
  { leastMs: 0, mostMs: 30, slowMs: 6000, slowChance: 0.02 },
];
const NOBODY_READS = 0.02;
const STAY_OPEN = 0.1;
const KINDS = Object.keys(STEPS) as StepKind[];

/** Each history has a choice of few kinds of faults, so that some have many of a kind and others none (swarm testing). */
export function drawPlan(seed: number): Plan {
  const random = stream(seed, 'plan');
  const partitions = random.oneOf([1, 1, 2, 3]);
  const lastsMs = random.oneOf([1500, 4000, 8000]);
  const kinds = KINDS.filter((kind) => STEPS[kind].isFault && random.chance(0.2));
  const faults = kinds.length === 0 ? KINDS.filter((kind) => STEPS[kind].isFault) : kinds;
  // Nobody can tell what a hand has changed while the log was another one, nor what two hands have.
  const unclear: StepKind[] = faults.some(rewritesLog)
    ? ['position moved back', 'position moved forward']
    : faults.includes('position moved forward')
      ? ['position moved back']
      : [];
  const possible = faults.filter((kind) => !unclear.includes(kind));
  const clients = KINDS.filter((kind) => !STEPS[kind].isFault);
  const lastly = random.chance(NOBODY_READS) ? 'nobody reads' : 'heals';
  return {
    seed,
    members: random.oneOf([1, 2, 2, 3]),
    readers: random.chance(0.08),
    observer: lastly === 'nobody reads' || random.chance(0.03),
    lastly: lastly === 'heals' && random.chance(STAY_OPEN) ? 'transactions stay open' : lastly,
    world: {
      partitions,
      latency: random.oneOf(LATENCIES),
      fetchOffsets: random.oneOf([1, 2, 3, 5, 100]),
      sessionMs: random.oneOf([2000, 6000]),
      toldAfterMs: random.oneOf([200, 4000]),
    },
    steps: [
      ...drawSteps(random, clients, random.whole(3, 12), lastsMs),
      ...drawSteps(random, possible, random.whole(1, 6), lastsMs),
    ].sort((one, other) => one.at - other.at),
  };
}

function drawSteps(random: Random, kinds: readonly StepKind[], count: number, lastsMs: number): Step[] {
  return Array.from({ length: count }, () => {
    const kind = drawKind(random, kinds);
    const { counts, lasts, hows } = STEPS[kind];
    return {
      at: Math.round(random.between(0, lastsMs)),
      kind,
      who: random.whole(0, 11),
      where: random.whole(0, 11),
      count: random.whole(counts[0], counts[1]),
      ms: Math.round(random.between(lasts[0], lasts[1])),
      how: random.oneOf(hows),
    };
  });
}

/** Whether offsets hold other records afterwards than those that were processed. */
export function rewritesLog(kind: StepKind): boolean {
  return definitionOf(kind).rewritesLog ?? false;
}

function definitionOf(kind: StepKind): StepDefinition {
  return STEPS[kind];
}

function drawKind(random: Random, kinds: readonly StepKind[]): StepKind {
  const total = kinds.reduce((sum, kind) => sum + STEPS[kind].weight, 0);
  let left = random.between(0, total);
  for (const kind of kinds) {
    left -= STEPS[kind].weight;
    if (left <= 0) return kind;
  }
  return kinds.at(-1)!;
}

/** When the last thing breaks. */
export function endOf({ steps }: Plan): number {
  return Math.max(0, ...steps.map(({ at, kind, ms }) => at + (definitionOf(kind).breaksLater ? ms : 0)));
}
