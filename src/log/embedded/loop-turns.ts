import { setImmediate as nextTurn } from 'node:timers/promises';

const TURNS = 16;

/**
 * Before synchronous work that takes long: leaves some turns of the event loop to requests. One is not enough, as each
 * takes in one new connection (libuv), which would then wait for as many pieces of that work as there are others before it.
 */
export async function leaveTurns(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await nextTurn();
}
