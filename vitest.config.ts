import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { PATIENCE_MS, TEST_PATIENCE_MS } from './test/support/patience.ts';

const servers = 'test/support/servers.ts';

export default defineConfig({
  // As the examples import the package.
  resolve: { alias: { footfall: join(import.meta.dirname, 'src/index.ts') } },
  test: {
    // The only deadlines there are: tests wait for conditions, and only a hang takes longer than these.
    expect: { poll: { timeout: PATIENCE_MS } },
    testTimeout: TEST_PATIENCE_MS,
    hookTimeout: TEST_PATIENCE_MS,
    teardownTimeout: PATIENCE_MS,
    // Vitest leaves one core free; of two that is half, and the servers of the tests need little.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    coverage: {
      provider: 'v8',
      enabled: process.env.CI === 'true',
      include: ['src/**/*.ts'],
      // The process edge runs only as a process: the integration tests start it, and the commands.
      exclude: ['src/main.ts', 'src/cli/**'],
      reporter: ['text', 'html'],
      // Without Java the Kafka adapter is left out, so only CI can ask for all of it.
      thresholds:
        process.env.CI === 'true'
          ? {
              lines: 90,
              branches: 85,
              functions: 90,
              statements: 90,
              'src/store/**/*.ts': { lines: 100, functions: 100 },
            }
          : {},
    },
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      // The whole service in the test's own process, over HTTP.
      { extends: true, test: { name: 'service', include: ['test/service/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          globalSetup: servers,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          // No file stops these servers: those that stop one start their own. So files run two at a time.
          globalSetup: [servers, 'test/support/built.ts'],
        },
      },
    ],
  },
});
