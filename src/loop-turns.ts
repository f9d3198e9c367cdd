import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, systemClock } from './clock.ts';

/** Before a piece of work that takes long. */
const MANY_TURNS = 16;
/** While requests come in, a step of a search is followed by a pause this many times as long as it took. */
const PAUSE = 2;
/** Requests that came in within this time have been followed by others, as likely as not. */
const RECENT_MS = 250;

/**
 * Before synchronous work that takes long: leaves some turns of the event loop to requests. One is not enough, as each
 * takes in one new connection (libuv), which would then wait for as many pieces of that work as there are others before it.
 */
export async function leaveTurns(turns = MANY_TURNS): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await nextTurn();
}

let last: Promise<void> = Promise.resolve();

/**
 * Before a piece of work of which many may be there at once, such as a chunk of a batch: resolves for one of all who wait
 * in each turn of the event loop, in their order, so that requests wait for one piece and not for one of each.
 */
export function sharedTurn(): Promise<void> {
  last = last.then(() => leaveTurns(1));
  return last;
}

/**
 * Lets one step at a time run of all that search, in the order in which they ask. While requests come in, steps take a
 * third of the time at most, all of them together.
 */
export class SearchSteps {
  readonly #clock: Pick<Clock, 'now' | 'sleep'>;
  #last: Promise<void> = Promise.resolve();
  #requestAt = Number.NEGATIVE_INFINITY;
  /** How long the last step took, and when it was over. */
  #step = { ms: 0, overAt: 0 };

  constructor(clock: Pick<Clock, 'now' | 'sleep'>) {
    this.#clock = clock;
  }

  /** Notes that a request has come in. */
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
    // A step is synchronous up to its first wait: the turn it runs in ends with it.
    setImmediate(() => {
      const overAt = this.#clock.now();
      this.#step = { ms: overAt - beganAt, overAt };
    });
  }
}

/** Of this process: its searches share one event loop. */
export const searchSteps = new SearchSteps(systemClock);
