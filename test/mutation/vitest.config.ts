import { defineConfig } from 'vitest/config';
import { PATIENCE_MS, TEST_PATIENCE_MS } from '../support/patience.ts';

/** Rooms of whose tests some try properties. */
const WITH_PROPERTIES = ['src/events', 'src/json'];

/** Such as `src/ingest`. */
const room = process.env.MUTATED_ROOM ?? 'src';

/** The tests that mutants of one room are run against: those of its parts, which are fast. */
export default defineConfig({
  test: {
    include: [`${room.replace('src', 'test/{unit,mutation}')}/**/*.test.ts`],
    setupFiles: WITH_PROPERTIES.includes(room) ? ['test/mutation/setup.ts'] : [],
    expect: { poll: { timeout: PATIENCE_MS } },
    testTimeout: TEST_PATIENCE_MS,
    hookTimeout: TEST_PATIENCE_MS,
    teardownTimeout: PATIENCE_MS,
  },
});
