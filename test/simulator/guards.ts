import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import { lightenSignals } from './light-signals.ts';

/** The time that whatever asks the computer for it gets: no decision may depend on it. */
const FROZEN_MS = Date.UTC(2024, 0);

function forbidden(name: string): () => never {
  return () => {
    throw new Error(`${name} is not simulated: a seed would not say what happens`);
  };
}

/**
 * For a thread that does nothing but simulate: real timers and random numbers are errors there, and the clock stands
 * still. Also takes away what costs time and is not looked at: stacks of errors, and most of what signals are.
 */
export function forbidTheRealWorld(): void {
  Math.random = forbidden('Math.random');
  Date.now = () => FROZEN_MS;
  performance.now = forbidden('performance.now');
  globalThis.setTimeout = Object.assign(forbidden('setTimeout'), { __promisify__: forbidden('setTimeout') });
  globalThis.setInterval = forbidden('setInterval');
  timers.setTimeout = forbidden('setTimeout');
  timers.setImmediate = forbidden('setImmediate');
  syncBuiltinESMExports();
  Error.stackTraceLimit = 0;
  lightenSignals();
}
