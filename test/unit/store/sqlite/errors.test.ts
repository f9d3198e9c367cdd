import { describe, expect, it } from 'vitest';
import { onFile } from '../../../../src/store/sqlite/errors.ts';
import { StoreUnavailableError } from '../../../../src/store/store-unavailable.ts';

/** As Node throws what SQLite reports. */
function failure(errcode?: number): Error {
  return Object.assign(new Error('database is locked\nin a statement'), { errcode });
}

function thrownFor(error: Error): unknown {
  try {
    return onFile(() => {
      throw error;
    });
  } catch (thrown) {
    return thrown;
  }
}

describe('work on a file', () => {
  it('returns what it finds', () => {
    expect(onFile(() => 7)).toBe(7);
  });

  it.each([
    ['busy', 5],
    ['full', 13],
    ['not a database', 26],
    ['the kind of an input error that a lock makes', 10 + 15 * 256],
  ])('that fails because the file is %s is an outage, said in one line', (_, code) => {
    const error = failure(code);
    const thrown = thrownFor(error);
    expect(thrown).toBeInstanceOf(StoreUnavailableError);
    expect(thrown).toMatchObject({ message: 'database is locked', cause: error });
  });

  it.each([
    ['a constraint', 19],
    ['a constraint of a unique index', 19 + 8 * 256],
    ['the program', undefined],
  ])('that fails because of %s fails as it is', (_, code) => {
    const error = failure(code);
    expect(thrownFor(error)).toBe(error);
  });
});
