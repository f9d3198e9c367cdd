import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

// Faults happen at times by their nature; `npm run torture` is no test of a condition.
const files = globSync('test/{unit,service,contract,integration,support}/**/*.ts')
  .filter((path) => !['test/unit/test-files.test.ts', 'test/support/patience.ts'].includes(path))
  .map((path) => ({ path, text: readFileSync(path, 'utf8') }));

/** Files in which something else than a speed is meant, and what. */
type Exceptions = Record<string, string>;

const pauses = { 'test/support/history.ts': 'the pause that a client makes after a failure' };

/** In lines, so that a failure shows them. */
function linesWith(pattern: RegExp, exceptions: Exceptions = {}): string[] {
  return files
    .filter(({ path }) => !(path in exceptions))
    .flatMap(({ path, text }) =>
      [...text.matchAll(pattern)].map(({ index }) => {
        const line = text.slice(0, index).split('\n').length;
        return `${path}:${line} ${text.split('\n')[line - 1]!.trim()}`;
      }),
    );
}

describe('the tests pass on a machine of any speed: none', () => {
  it('has a deadline of its own (test/support/patience.ts has the one there is)', () => {
    expect(linesWith(/\b(hook|test)?timeout: (?!(TEST_)?PATIENCE_MS\b)/gi)).toEqual([]);
    // Of the product, where it is not to run out (that is RUNS_OUT_MS).
    expect(
      linesWith(/\b\w*TimeoutMs: \d|\btimeoutMs: \d|\.ping\(\d|\bconst \w*_MS = [\d_]+;/g, pauses),
    ).toEqual([]);
    // The last argument of `it` and of hooks.
    expect(linesWith(/\},\s*[\d_]{3,},?\s*\);/g)).toEqual([]);
    expect(
      linesWith(/\bvi\.wait(For|Until)\b|\bAbortSignal\.timeout\b|\.setDefault\w*Timeout\((?!PATIENCE_MS)/g),
    ).toEqual([]);
  });

  it('waits for a time to pass (expect.poll waits for a condition, stopClock and advanceTimersByTime let time pass)', () => {
    const exceptions = {
      ...pauses,
      'test/support/stopped-clock.ts': 'names what it stops',
      'test/support/hand-clock.ts': 'sleeps until the test moves it on',
      'test/service/metrics-history.test.ts': 'samples at short intervals',
      'test/unit/operations/retention.test.ts': 'sleeps until the test says so',
    };
    const waits = /\bsetTimeout\b|\bsetInterval\b|\bsleep\(|timers\/promises|waitForTimeout/g;
    expect(linesWith(waits, exceptions)).toEqual([]);
  });

  it('measures how long something takes', () => {
    const exceptions = {
      'test/contract/event-log.contract.ts': 'a timestamp is between two looks at the clock',
      'test/contract/event-log.test.ts': 'a timestamp is between two looks at the clock',
      'test/contract/event-store.contract.ts': 'a timestamp is between two looks at the clock',
      'test/service/api.test.ts': 'a timestamp is between two looks at the clock',
      'test/support/token-server.ts': 'a token says when it ends',
      'test/unit/operations/verify.test.ts': 'asks for what will be appended later',
      'test/integration/clients.test.ts': 'not sooner than Retry-After says',
    };
    expect(linesWith(/\b(performance|Date)\.now\b|\bhrtime\b|\bconsole\.time/g, exceptions)).toEqual([]);
  });

  it('starts a process in a test of a part, or of the service in this process (test/integration is for those)', () => {
    const starts =
      /'node:child_process'|'playwright-core'|service-process\.ts'|postgres-server\.ts'|kafka-server\.ts'/g;
    expect(linesWith(starts).filter((line) => /^test\/(unit|service)\//.test(line))).toEqual([]);
  });

  it('starts the service in a unit test (test/service is for those)', () => {
    expect(linesWith(/'[./]*support\/service\.ts'/g).filter((line) => line.startsWith('test/unit/'))).toEqual(
      [],
    );
  });
});
