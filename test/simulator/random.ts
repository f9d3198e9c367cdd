import { seededRandom } from '../faults/random.ts';

/** Numbers from 0 to 1 for one actor: what others draw does not change them. */
export function stream(seed: number, actor: string): Random {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < actor.length; at++) hash = Math.imul(hash ^ actor.charCodeAt(at), 0x01000193);
  return new Random(seededRandom(hash ^ (hash >>> 15)));
}

export class Random {
  readonly next: () => number;

  constructor(next: () => number) {
    this.next = next;
  }

  /** A whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  oneOf<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)]!;
  }
}
