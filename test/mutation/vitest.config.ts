import { defineConfig } from 'vitest/config';
import { PATIENCE_MS, TEST_PATIENCE_MS } from '../support/patience.ts';

/** Rooms of whose tests some try properties; also of the rooms in them. */
const WITH_PROPERTIES = ['src/events', 'src/json', 'src/query', 'src/store'];

/** Such as `src/ingest`. */
const room = process.env.MUTATED_ROOM ?? 'src';

/** Its tests need a server, which takes a while to start. */
const isPostgres = room.startsWith('src/store/postgres');

/** The tests that mutants of one room are run against: those of its parts, which are fast. */
export default defineConfig({
  test: {
    include: [`${room.replace('src', 'test/{unit,mutation}')}/**/*.test.ts`],
    exclude: isPostgres ? [] : ['test/mutation/store/postgres/**'],
    globalSetup: isPostgres ? ['test/mutation/postgres-server.ts'] : [],
    setupFiles: WITH_PROPERTIES.some((one) => room.startsWith(one)) ? ['test/mutation/setup.ts'] : [],
    // Often: what waits for each mutant adds up.
    expect: { poll: { timeout: PATIENCE_MS, interval: 5 } },
    testTimeout: TEST_PATIENCE_MS,
    hookTimeout: TEST_PATIENCE_MS,
    teardownTimeout: PATIENCE_MS,
  },
});
