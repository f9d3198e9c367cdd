/** Something that becomes due. @returns whether it woke anybody up, whose code must run before the next is due */
type Work = () => boolean;

interface Due {
  at: number;
  order: number;
  work: Work;
}

/**
 * Virtual time, in milliseconds from 0. What is due first runs first; of what is due at once, what was asked for first.
 * Time stands still while code runs, and jumps to what is due next when nothing is left to run.
 */
export class Scheduler {
  #now = 0;
  #asked = 0;
  /** A binary heap: the first is due first. */
  readonly #due: Due[] = [];

  get now(): number {
    return this.#now;
  }

  get isIdle(): boolean {
    return this.#due.length === 0;
  }

  /** When the next is due; undefined when nothing is. */
  get nextAt(): number | undefined {
    return this.#due[0]?.at;
  }

  after(ms: number, work: Work): void {
    const due = { at: this.#now + Math.max(0, ms), order: this.#asked++, work };
    let at = this.#due.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(due, this.#due[parent]!)) break;
      this.#due[at] = this.#due[parent]!;
      at = parent;
    }
    this.#due[at] = due;
  }

  /** Runs what is due next, up to the first that wakes somebody up. @returns false when nothing is due any more */
  step(): boolean {
    for (;;) {
      const due = this.#take();
      if (due === undefined) return false;
      this.#now = due.at;
      if (due.work()) return true;
    }
  }

  #take(): Due | undefined {
    const first = this.#due[0];
    const last = this.#due.pop();
    if (first === undefined || last === undefined || first === last) return first;
    const { length } = this.#due;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(this.#due[child + 1]!, this.#due[child]!)) child++;
      if (!isBefore(this.#due[child]!, last)) break;
      this.#due[at] = this.#due[child]!;
      at = child;
    }
    this.#due[at] = last;
    return first;
  }
}

function isBefore(one: Due, other: Due): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
