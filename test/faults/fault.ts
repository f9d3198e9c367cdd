import type { Cluster } from './cluster.ts';
import type { Load } from './load.ts';

export interface Fault {
  name: string;
  /** The fault cases of the test plan it covers. */
  cases: string[];
  /** How many brokers it needs; 1 if it does not say. */
  brokers?: 3;
  /** What `/readyz` must show while it lasts. */
  shows?: 'log' | 'store';
  /** True: only a part is broken, and events are taken and stored while it lasts. */
  worksMeanwhile?: true;
  /** Resolves to what ends the fault. */
  inject(surroundings: Surroundings): Promise<() => Promise<void>>;
  /** Milliseconds from injecting to ending it. */
  lastsMs: [least: number, most: number];
}

export interface Surroundings {
  cluster: Cluster;
  load: Load;
  random: () => number;
}

/** For faults that are over when they have been injected. */
export async function nothingToHeal(): Promise<void> {}

export function oneOf<T>(items: readonly T[], random: () => number): T {
  return items[Math.floor(random() * items.length)]!;
}

/** Repeats something until the fault is ended. */
export function every(ms: number, work: () => unknown): () => Promise<void> {
  const timer = setInterval(work, ms);
  return async () => clearInterval(timer);
}
