import { defineConfig } from 'vitest/config';

const servers = 'test/support/servers.ts';

export default defineConfig({
  test: {
    coverage: {
      provider: 'v8',
      enabled: process.env.CI === 'true',
      include: ['src/**/*.ts'],
      // The process edge runs only as a process: the integration tests start it.
      exclude: ['src/main.ts'],
      reporter: ['text', 'html'],
      // Without Java the Kafka adapter is left out, so only CI can ask for all of it.
      thresholds:
        process.env.CI === 'true'
          ? {
              lines: 90,
              branches: 85,
              functions: 90,
              statements: 90,
              'src/store/*.ts': { lines: 100, functions: 100 },
            }
          : {},
    },
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          globalSetup: servers,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: servers,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          // Each starts processes of its own and some stop brokers: two cores carry one at a time.
          fileParallelism: false,
        },
      },
    ],
  },
});
