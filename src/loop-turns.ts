import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

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

let requestAt = Number.NEGATIVE_INFINITY;
let lastStep: Promise<void> = Promise.resolve();
/** How long the last step took, and when it was over. */
let step = { ms: 0, overAt: 0 };

/** Notes that a request has come in. */
export function noteRequest(): void {
  requestAt = performance.now();
}

/**
 * Before a step of a search: resolves for one of all who search at a time, in their order. While requests come in,
 * searches take a third of the time at most, all of them together.
 */
export function searchTurn(): Promise<void> {
  lastStep = lastStep.then(pauseBetweenSteps);
  return lastStep;
}

async function pauseBetweenSteps(): Promise<void> {
  await leaveTurns();
  const pauseMs = step.overAt + step.ms * PAUSE - performance.now();
  if (pauseMs > 0 && performance.now() - requestAt < RECENT_MS) await sleep(pauseMs);
  const beganAt = performance.now();
  // A step is synchronous up to its first wait: the turn it runs in ends with it.
  setImmediate(() => {
    step = { ms: performance.now() - beganAt, overAt: performance.now() };
  });
}
