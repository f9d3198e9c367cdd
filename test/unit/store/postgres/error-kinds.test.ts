import { expect, it } from 'vitest';
import { StoreUnavailableError } from '../../../../src/store/event-store.ts';
import {
  connectError,
  isLimitRefused,
  isLockTimeout,
  isLostStatement,
  isParameterRefused,
  isSchemaGone,
  isTooSlow,
  lacksRight,
  mayNot,
  statementError,
  wasInTheWay,
} from '../../../../src/store/postgres/errors.ts';

const CODES = ['26000', '42P05', '42P01', '3F000', '42703', '55P03', '40P01', '42501', '57014', '23505'];

const driverError = (code: unknown, message = 'message') => Object.assign(new Error(message), { code });
const thrownFor = (code: unknown, message?: string) =>
  new StoreUnavailableError('message', { cause: driverError(code, message) });

/** The codes for which it is so. */
const codesOf = (judge: (error: unknown) => boolean, make: (code: unknown) => Error = driverError) =>
  [...CODES, undefined, 42_501, ''].filter((code) => judge(make(code)));

it.each([
  ['that tables are gone', isSchemaGone, ['42P01', '3F000', '42703']],
  ['that a prepared statement is on another connection', isLostStatement, ['26000', '42P05']],
  ['that a right is lacking', lacksRight, ['42501']],
  ['that a table was not free', isLockTimeout, ['55P03']],
])('an error of PostgreSQL says %s', (_, judge, codes) => {
  expect(codesOf(judge)).toEqual(codes);
});

it.each([
  ['that a right is lacking', mayNot, ['42501']],
  ['that others were in the way', wasInTheWay, ['55P03', '40P01']],
  ['that a statement took too long', isTooSlow, ['57014']],
])('an error that the store throws says %s by its cause', (_, judge, codes) => {
  expect(codesOf(judge, thrownFor)).toEqual(codes);
  expect(codesOf(judge)).toEqual([]);
});

it('a statement takes too long for the driver, too', () => {
  expect(isTooSlow(thrownFor(undefined, 'Query read timeout'))).toBe(true);
  expect(isTooSlow(thrownFor(undefined, 'another timeout'))).toBe(false);
});

it.each([
  ['unsupported startup parameter: statement_timeout', true, true],
  ['unsupported startup parameter: search_path', true, false],
  ['canceling statement due to statement_timeout', false, false],
])('a pooler in between rejects a parameter, or the limit of statements: %s', (message, parameter, limit) => {
  const error = new Error(message);
  expect([isParameterRefused(error), isLimitRefused(error)]).toEqual([parameter, limit]);
});

it('an error that has others without any is told by its own message, on one line', () => {
  expect(connectError(Object.assign(new Error('  alone \nat x'), { errors: [] })).message).toBe('alone');
  const twice = new AggregateError([new Error('refused'), new Error('refused')], 'all failed');
  expect(connectError(twice).message).toBe('refused');
});

it('an error keeps what it comes from, and what the store says of it already', () => {
  const refused = new Error('refused');
  expect(connectError(refused).cause).toBe(refused);
  const said = new StoreUnavailableError('said');
  expect(statementError(said, true)).toBe(said);
});

it('a number is no code of PostgreSQL', () => {
  const error = driverError(57_014);
  expect(statementError(error, false)).toBe(error);
});
