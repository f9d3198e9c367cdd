import type { Plan, Step } from './plan.ts';
import { carryOutOne } from './run.ts';

const MOST_TRIES = 3000;

/** Which promise is broken: the code at the beginning of a violation. */
function codeOf(violations: readonly string[]): string | undefined {
  return violations[0]?.split(' ')[0];
}

/**
 * What of a plan its failure needs: tries with fewer steps, then with less of each, for as long as the same promise is
 * broken. Others' random numbers stay the same, because each actor draws its own.
 */
export async function shorten(plan: Plan): Promise<Plan> {
  const code = codeOf((await carryOutOne(plan)).violations);
  let shortest = plan;
  let tries = 0;
  const isAsBad = async (candidate: Plan) => {
    if (tries++ >= MOST_TRIES) return false;
    if (codeOf((await carryOutOne(candidate)).violations) !== code) return false;
    shortest = candidate;
    return true;
  };
  for (let before: Plan | undefined; before !== shortest; ) {
    before = shortest;
    await withFewerSteps(() => shortest, isAsBad);
    for (const simpler of simplerOnes(shortest)) await isAsBad({ ...shortest, ...simpler });
    await withSmallerSteps(() => shortest, isAsBad);
  }
  return shortest;
}

type Try = (candidate: Plan) => Promise<boolean>;

/** Leaves out halves, then quarters, down to single steps. */
async function withFewerSteps(shortest: () => Plan, isAsBad: Try): Promise<void> {
  for (
    let size = Math.ceil(shortest().steps.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let from = 0; from < shortest().steps.length; ) {
      const steps = shortest().steps.filter((_, at) => at < from || at >= from + size);
      if (!(await isAsBad({ ...shortest(), steps }))) from += size;
    }
  }
}

function simplerOnes(plan: Plan): Partial<Plan>[] {
  const quick = { leastMs: 0, mostMs: 1, slowMs: 1, slowChance: 0 };
  const { world } = plan;
  return [
    ...(plan.readers ? [{ readers: false }] : []),
    ...Array.from({ length: plan.members - 1 }, (_, at) => ({ members: at + 1 })),
    ...(world.latency.mostMs > 1 ? [{ world: { ...world, latency: quick } }] : []),
    ...(world.partitions > 1 ? [{ world: { ...world, partitions: 1 } }] : []),
    ...(world.fetchOffsets < 100 ? [{ world: { ...world, fetchOffsets: 100 } }] : []),
  ];
}

/** Of each step less, if that will do. */
async function withSmallerSteps(shortest: () => Plan, isAsBad: Try): Promise<void> {
  for (let at = 0; at < shortest().steps.length; at++) {
    for (const smaller of smallerOnes(shortest().steps[at]!)) {
      const steps = shortest().steps.map((step, index) => (index === at ? smaller : step));
      if (await isAsBad({ ...shortest(), steps })) break;
    }
  }
}

function smallerOnes(step: Step): Step[] {
  return step.count > 1 ? [{ ...step, count: 1 }] : [];
}
