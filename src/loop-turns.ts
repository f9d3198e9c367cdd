import { setImmediate as nextTurn } from 'node:timers/promises';

/** Before a piece of work that takes long. */
export const MANY_TURNS = 16;

/**
 * Before synchronous work that takes long: leaves some turns of the event loop to requests. One is not enough, as each
 * takes in one new connection (libuv), which would then wait for as many pieces of that work as there are others before it.
 */
export async function leaveTurns(turns = MANY_TURNS): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await nextTurn();
}

let last: Promise<void> = Promise.resolve();

/**
 * Before a piece of work of which many may be there at once, such as a step of a search: resolves for one of all who wait
 * after each so many turns of the event loop, in their order, so that requests wait for one piece and not for one of each.
 */
export function sharedTurn(turns = 1): Promise<void> {
  last = last.then(() => leaveTurns(turns));
  return last;
}
