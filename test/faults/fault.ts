import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import type { Load } from './load.ts';

export interface Fault {
  name: string;
  /** The fault cases of the test plan it covers. */
  cases: string[];
  /** A variant of another: left out of short runs, unless asked for. */
  isVariant?: true;
  /** How many brokers it needs; 1 if it does not say. */
  brokers?: 3;
  /** What `/readyz` must show while it lasts, or where else it must show. */
  shows?: 'log' | 'store' | Showing;
  /** True: only a part is broken, and events are taken and stored while it lasts. */
  worksMeanwhile?: true;
  /** Resolves to what ends the fault. */
  inject(surroundings: Dependencies): Promise<() => Promise<void>>;
  /** Milliseconds from injecting to ending it. */
  lastsMs: [least: number, most: number];
  /** Where more than usual has to be done. */
  recoversWithinMs?: number;
}

export interface Showing {
  where: string;
  /** Asked of an instance until it is true. */
  isShown(url: string): Promise<boolean>;
}

export interface Dependencies {
  cluster: Cluster;
  load: Load;
  random: () => number;
  say(text: string): void;
  /** Notes that a promise was broken, in words. */
  violated(what: string): void;
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

/** @returns whether it became true in time */
export async function until(isTrue: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  const giveUpAt = Date.now() + withinMs;
  while (!(await isTrue())) {
    if (Date.now() > giveUpAt) return false;
    await sleep(50);
  }
  return true;
}
