import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, systemClock } from './clock.ts';

/** Before a piece of work that takes long. */
const MANY_TURNS = 16;
/** While requests arrive, each search step is followed by a pause this many times as long as the step. */
const PAUSE = 2;
/** After a request, more are assumed to follow for this long. */
export const RECENT_MS = 250;

/**
 * Call before long synchronous work: yields several turns of the event loop to requests. One turn is not enough,
 * because libuv accepts one new connection per turn, which would then wait for every piece of work queued ahead of it.
 */
export async function leaveTurns(turns = MANY_TURNS): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await nextTurn();
}

/** @returns how busy the event loop has been since the last call: from 0 (idle) to 1 */
export function watchLoop(): () => number {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}

let last: Promise<void> = Promise.resolve();

/**
 * Call before a piece of work that may be queued many times, such as a chunk of a batch. Releases one waiter per turn
 * of the event loop, in order, so that requests wait for one piece rather than for one of each.
 */
export function sharedTurn(): Promise<void> {
  last = last.then(() => leaveTurns(1));
  return last;
}

/**
 * Runs the steps of all searches one at a time, in the order requested. While requests arrive, all steps together use
 * at most a third of the time.
 */
export class SearchSteps {
  readonly #clock: Pick<Clock, 'now' | 'sleep'>;
  #last: Promise<void> = Promise.resolve();
  #requestAt = Number.NEGATIVE_INFINITY;
  /** Duration of the last step, and when it ended. */
  #step = { ms: 0, overAt: 0 };

  constructor(clock: Pick<Clock, 'now' | 'sleep'>) {
    this.#clock = clock;
  }

  /** Records that a request has arrived. */
  noteRequest(): void {
    this.#requestAt = this.#clock.now();
  }

  /** Resolves when the next step may begin. */
  next(): Promise<void> {
    this.#last = this.#last.then(() => this.#pause());
    return this.#last;
  }

  async #pause(): Promise<void> {
    await leaveTurns();
    const now = this.#clock.now();
    const pauseMs = this.#step.overAt + this.#step.ms * PAUSE - now;
    if (pauseMs > 0 && now - this.#requestAt < RECENT_MS) await this.#clock.sleep(pauseMs);
    const beganAt = this.#clock.now();
    // A step is synchronous until its first await, so the turn it runs in ends with it.
    setImmediate(() => {
      const overAt = this.#clock.now();
      this.#step = { ms: overAt - beganAt, overAt };
    });
  }
}

/** One per process, whose searches share one event loop. */
export const searchSteps = new SearchSteps(systemClock);
