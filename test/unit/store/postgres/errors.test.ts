import { describe, expect, it } from 'vitest';
import { StoreUnavailableError } from '../../../../src/store/event-store.ts';
import { connectError, statementError } from '../../../../src/store/postgres/errors.ts';

/** An error as the driver gives it. */
function driverError(message: string, code?: string): Error {
  return Object.assign(new Error(message), { code });
}

describe('errors of PostgreSQL', () => {
  it.each([
    ['08006', 'connection failure'],
    ['25006', 'cannot execute INSERT in a read-only transaction'],
    ['28P01', 'password authentication failed for user "u"'],
    ['3D000', 'database "d" does not exist'],
    ['3F000', 'schema "one" does not exist'],
    ['40P01', 'deadlock detected'],
    ['42P01', 'relation "events" does not exist'],
    ['42501', 'permission denied for table events'],
    ['53100', 'could not extend file "base/1/2": No space left on device'],
    ['55P03', 'canceling statement due to lock timeout'],
    ['57P01', 'terminating connection due to administrator command'],
    ['58030', 'could not read block 1'],
  ])('of code %s are retrier', (code, message) => {
    const cause = driverError(message, code);
    const error = statementError(cause, false);
    expect(error).toEqual(new StoreUnavailableError(message));
    expect(error.cause).toBe(cause);
  });

  it.each([
    ['42601', 'syntax error at or near "selct"'],
    ['42804', 'column "seq" is of type bigint but expression is of type text'],
    ['22P02', 'invalid input syntax for type uuid'],
    ['23505', 'duplicate key value violates unique constraint'],
  ])('of code %s are faults of the program, and stay what they are', (code, message) => {
    const error = driverError(message, code);
    expect(statementError(error, false)).toBe(error);
  });

  it('on a connection that broke are retrier, whatever they say; so is the limit of the driver', () => {
    const broken = driverError('read ECONNRESET', 'ECONNRESET');
    expect(statementError(broken, true)).toEqual(new StoreUnavailableError('read ECONNRESET'));
    expect(statementError(driverError('Query read timeout'), false)).toBeInstanceOf(StoreUnavailableError);
    const fault = new TypeError('value is not a string');
    expect(statementError(fault, false)).toBe(fault);
  });

  it('are one line each, with all addresses that were tried, and without stacks', () => {
    const tried = new AggregateError([
      driverError('connect ECONNREFUSED ::1:5432', 'ECONNREFUSED'),
      driverError('connect ECONNREFUSED 127.0.0.1:5432', 'ECONNREFUSED'),
    ]);
    expect(connectError(tried).message).toBe(
      'connect ECONNREFUSED ::1:5432, connect ECONNREFUSED 127.0.0.1:5432',
    );
    const stack = driverError('error: permission denied\n    at Parser.parse (/srv/node_modules/x.js:1:2)');
    expect(connectError(stack).message).toBe('error: permission denied');
  });

  it.each([
    ['timeout exceeded when trying to connect', undefined, /raise DATABASE_POOL_SIZE/],
    ['SASL: client password must be a string', undefined, /DATABASE_URL has no password/],
    ['self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT', /sslrootcert/],
    ['unable to verify the first certificate', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', /sslrootcert/],
  ])('say what to do: %s', (message, code, advice) => {
    expect(connectError(driverError(message, code)).message).toMatch(advice);
  });
});
