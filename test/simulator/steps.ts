import { CLIENT_STEPS } from './client-steps.ts';
import { LOG_STEPS } from './log-steps.ts';
import type { Step } from './plan.ts';
import { PROCESS_STEPS } from './process-steps.ts';
import type { Simulation } from './simulation.ts';
import { STORE_STEPS } from './store-steps.ts';

/** A kind of step. What is not given is drawn and not used. */
export interface StepDefinition {
  isFault: boolean;
  /** Whether offsets hold other records afterwards than those that were processed. */
  rewritesLog?: boolean;
  /** Whether something breaks up to `Step.ms` after the step. */
  breaksLater?: boolean;
  /** How often it is drawn, compared with others. */
  weight: number;
  /** Least and most of `Step.count`. */
  counts: readonly [number, number];
  /** Least and most of `Step.ms`. */
  lasts: readonly [number, number];
  hows: readonly string[];
  run(simulation: Simulation, step: Step): void;
  /** What it does, in words, for who reads the shortened history. */
  describe(step: Step): string;
}

export const STEPS = { ...CLIENT_STEPS, ...PROCESS_STEPS, ...STORE_STEPS, ...LOG_STEPS };
export type StepKind = keyof typeof STEPS;
