/** An event that may be one of its user's steps. */
export interface StepEvent {
  userId: string;
  time: number;
  /** Which steps, the last one first. */
  steps: readonly number[];
}

export interface ReachedStep {
  /** How many users have reached this step. */
  users: number;
  /** The median time since the previous step, in milliseconds; null without users, and for the first step. */
  medianMs: number | null;
}

/** Memory for a user besides the characters of the id, and for each step of a user. */
const USER_BYTES = 160;
const STEP_BYTES = 3 * Float64Array.BYTES_PER_ELEMENT;
const BYTES_PER_CHARACTER = 2;
const FIRST_CAPACITY = 1024;

interface FunnelOptions {
  /** How many. */
  steps: number;
  /** From the first step to the last, at most. */
  withinMs: number;
  /** The first step is before this. */
  to: number;
}

/**
 * Counts how far users get, from events in the order of their times. For each user and step it keeps the path that started
 * last, since that one has the most time left.
 */
export class FunnelTally {
  readonly #options: FunnelOptions;
  readonly #length: number;
  readonly #users = new Map<string, number>();
  #characters = 0;
  /** By user and step: when the path started and when it reached the step; NaN if it did not. */
  #began = new Float64Array();
  #arrived = new Float64Array();
  /** By step: the time since the previous step, for each user who reached it. */
  readonly #gaps: number[][];

  constructor(options: FunnelOptions) {
    this.#options = options;
    this.#length = options.steps;
    this.#gaps = Array.from({ length: options.steps }, () => []);
  }

  /** Its approximate size in memory. */
  get bytes(): number {
    const perUser = USER_BYTES + this.#length * STEP_BYTES;
    return this.#users.size * perUser + this.#characters * BYTES_PER_CHARACTER;
  }

  add({ userId, time, steps }: StepEvent): void {
    for (const step of steps) {
      if (step === 0) this.#begin(userId, time);
      else this.#goOn(userId, step, time);
    }
  }

  /** Of each step. */
  result(): ReachedStep[] {
    return this.#gaps.map((gaps, step) =>
      step === 0
        ? { users: this.#users.size, medianMs: null }
        : { users: gaps.length, medianMs: median(gaps) },
    );
  }

  #begin(userId: string, time: number): void {
    if (time >= this.#options.to) return;
    const at = this.#numberOf(userId) * this.#length;
    this.#began[at] = time;
    this.#arrived[at] = time;
  }

  #goOn(userId: string, step: number, time: number): void {
    const user = this.#users.get(userId);
    if (user === undefined) return;
    const at = user * this.#length + step;
    const began = this.#began[at - 1]!;
    // Also false for NaN.
    if (!(time - began <= this.#options.withinMs)) return;
    if (Number.isNaN(this.#began[at])) this.#gaps[step]!.push(time - this.#arrived[at - 1]!);
    this.#began[at] = began;
    this.#arrived[at] = time;
  }

  #numberOf(userId: string): number {
    const known = this.#users.get(userId);
    if (known !== undefined) return known;
    const added = this.#users.size;
    this.#users.set(userId, added);
    this.#characters += userId.length;
    if (this.#users.size * this.#length > this.#began.length) {
      const length = Math.max(FIRST_CAPACITY, added * 2) * this.#length;
      this.#began = grown(this.#began, length);
      this.#arrived = grown(this.#arrived, length);
    }
    return added;
  }
}

function grown(from: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const into = new Float64Array(length).fill(Number.NaN, from.length);
  into.set(from);
  return into;
}

/** The median; between the middle two if their number is even. */
function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}
