/**
 * How long a test waits for what must happen, in milliseconds: so long that only a hang reaches it, on however slow a
 * machine. There is no other deadline in the tests (test/unit/test-files.test.ts), because how long something takes is
 * not for a test to know. Whoever breaks code on purpose sets it low in the environment, to see red sooner.
 */
export const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 180_000);

/** Of deadlines of the product that are to run out. */
export const RUNS_OUT_MS = 300;

/** For a whole test or hook, which may wait for many things one after the other. */
export const TEST_PATIENCE_MS = 5 * PATIENCE_MS;
