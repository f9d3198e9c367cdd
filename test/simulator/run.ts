import type { Plan } from './plan.ts';
import { Simulation } from './simulation.ts';
import type { State } from './states.ts';

export interface HistoryResult {
  plan: Plan;
  violations: string[];
  seen: ReadonlySet<State>;
  turns: number;
}

/** So many histories take turns in one turn of the event loop: they share what that costs. */
const AT_A_TIME = 32;

/**
 * Carries out plans. Whoever was woken runs as far as it gets between two turns of the event loop; nothing else is
 * allowed to happen there, so that histories do not depend on each other.
 *
 * @param next the next plan, while there is any
 * @param done told the result of each
 * @param traceOf what is given the lines of a history, where somebody reads them
 */
export function carryOut(
  next: () => Plan | undefined,
  done: (result: HistoryResult) => void,
  traceOf: (plan: Plan) => string[] | undefined = () => undefined,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const running: Simulation[] = [];
  let judging = 0;
  const finish = async (simulation: Simulation) => {
    judging++;
    const violations = await simulation.verdict();
    done({ plan: simulation.plan, violations, seen: simulation.world.seen, turns: simulation.turns });
    judging--;
  };
  const fill = () => {
    while (running.length < AT_A_TIME) {
      const plan = next();
      if (plan === undefined) return;
      running.push(new Simulation(plan, traceOf(plan)));
    }
  };
  const turn = () => {
    fill();
    for (let at = running.length - 1; at >= 0; at--) {
      const simulation = running[at]!;
      if (simulation.step()) continue;
      running[at] = running.at(-1)!;
      running.pop();
      finish(simulation).catch(reject);
    }
    if (running.length === 0 && judging === 0) resolve();
    else setImmediate(turn);
  };
  turn();
  return promise;
}

/** Carries out one plan. @param trace is given its lines */
export async function carryOutOne(plan: Plan, trace?: string[]): Promise<HistoryResult> {
  let isGiven = false;
  let result: HistoryResult | undefined;
  await carryOut(
    () => {
      if (isGiven) return undefined;
      isGiven = true;
      return plan;
    },
    (one) => {
      result = one;
    },
    () => trace,
  );
  return result!;
}
