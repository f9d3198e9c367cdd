import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { PATIENCE_MS, TEST_PATIENCE_MS } from '../support/patience.ts';

/** Rooms of whose tests some try properties; also of the rooms in them. */
const WITH_PROPERTIES = ['src/events', 'src/json', 'src/query', 'src/store'];

/** Such as `src/ingest`. */
const room = process.env.MUTATED_ROOM ?? 'src';

/** The address of a server, for the tests that need one; absent for other rooms. */
const postgres = process.env.MUTATION_POSTGRES;

/** Of those that need a server, the fast ones. */
const WITH_SERVER = ['test/contract/postgres-{inspection,metrics,sequence}.test.ts'];

/** The first test that fails ends the run of a mutant: those that need no server come first, then those of everything. */
class FastestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) =>
      ['/test/unit/', '/test/mutation/', ''].findIndex((folder) => moduleId.includes(folder));
    return files.toSorted((a, b) => place(a) - place(b));
  }
}

/** The tests that mutants of one room are run against: those of its parts, which are fast. */
export default defineConfig({
  test: {
    include: [
      `${room.replace('src', 'test/{unit,mutation}')}/**/*.test.ts`,
      ...(postgres === undefined ? [] : WITH_SERVER),
    ],
    exclude: postgres === undefined ? ['test/mutation/store/postgres/**'] : [],
    sequence: { sequencer: FastestFirst },
    provide: { postgres: postgres ?? '' },
    setupFiles: [
      ...(WITH_PROPERTIES.some((one) => room.startsWith(one)) ? ['test/mutation/setup.ts'] : []),
      ...(postgres === undefined ? [] : ['test/mutation/store/postgres/setup.ts']),
    ],
    // Often: what waits for each mutant adds up.
    expect: { poll: { timeout: PATIENCE_MS, interval: 5 } },
    testTimeout: TEST_PATIENCE_MS,
    hookTimeout: TEST_PATIENCE_MS,
    teardownTimeout: PATIENCE_MS,
  },
});
