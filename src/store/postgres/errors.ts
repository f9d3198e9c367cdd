import { StoreUnavailableError } from '../event-store.ts';

/** An error from the driver: PostgreSQL's own errors have an SQLSTATE of five characters as their code. */
type DriverError = Error & { code?: string; errors?: DriverError[] };

/**
 * Connection, transaction state (read-only), authorization, no such database, no such schema, rollback (deadlock),
 * resources, object not in the required state (locked), operator intervention, system error; a missing table, and a
 * missing privilege.
 */
const OUTAGES = /^(08|25|28|3D|3F|40|53|55|57|58|42P01|42501)/;
/** A table, schema or column is missing: the tables are checked again. */
const SCHEMA_GONE = ['42P01', '3F000', '42703'];
/** A prepared statement that belongs to another client of a pooler, or is on another server connection. */
const LOST_STATEMENT = ['26000', '42P05'];
const LOCK_NOT_AVAILABLE = '55P03';
const QUERY_CANCELED = '57014';
const DEADLOCK = '40P01';

const CERTIFICATE = /CERT|ISSUER|SIGNATURE|ALTNAME/;
const ADVICE: [pattern: RegExp, advice: string][] = [
  [/does not support SSL/, 'write sslmode=disable, or give the server a certificate'],
  [
    /unsupported startup parameter/,
    'the pooler in between takes no options: leave them out of DATABASE_URL and give them to the role, as in ALTER ROLE … SET search_path = …',
  ],
  [
    /timeout exceeded when trying to connect/,
    'all connections of the pool are in use: raise DATABASE_POOL_SIZE, or look for what is slow',
  ],
  [/client password must be a string/, 'DATABASE_URL has no password, and the server asks for one'],
];

function codeOf(error: unknown): string {
  const { code } = error as DriverError;
  return typeof code === 'string' ? code : '';
}

/** Whether the tables have to be checked again because some have disappeared. */
export function isSchemaGone(error: unknown): boolean {
  return SCHEMA_GONE.includes(codeOf(error));
}

/** Whether a prepared statement could not be used, so that nothing was executed. */
export function isLostStatement(error: unknown): boolean {
  return LOST_STATEMENT.includes(codeOf(error));
}

/** Whether a privilege is missing, judged by the error that the store throws. */
export function mayNot(error: unknown): boolean {
  const { cause } = error as Error;
  return cause !== undefined && lacksRight(cause);
}

/** As `mayNot`, judged by the error of PostgreSQL. */
export function lacksRight(error: unknown): boolean {
  return codeOf(error) === '42501';
}

export function isLockTimeout(error: unknown): boolean {
  return codeOf(error) === LOCK_NOT_AVAILABLE;
}

/** Whether others held what was asked for, or waited for it, judged by the error that the store throws. */
export function wasInTheWay(error: unknown): boolean {
  const { cause } = error as Error;
  return cause !== undefined && [LOCK_NOT_AVAILABLE, DEADLOCK].includes(codeOf(cause));
}

/** Whether a pooler in between rejects the statement timeout. */
export function isLimitRefused(error: unknown): boolean {
  return isParameterRefused(error) && /statement_timeout/.test((error as Error).message);
}

/** Whether a pooler in between rejects a setting of the connection. */
export function isParameterRefused(error: unknown): boolean {
  return /unsupported startup parameter/.test((error as Error).message);
}

/** Why there is no connection. Whatever the reason, there may be one later. */
export function connectError(error: unknown): StoreUnavailableError {
  const text = oneLine(error as DriverError);
  const advice = CERTIFICATE.test(codeOf(error))
    ? 'name the file of its authority with sslrootcert, or write sslmode=no-verify to encrypt without checking'
    : ADVICE.find(([pattern]) => pattern.test(text))?.[1];
  return new StoreUnavailableError(advice === undefined ? text : `${text}: ${advice}`, { cause: error });
}

/**
 * Turns the error of a statement into the one that the store throws.
 *
 * @param isLost whether the connection broke while it ran
 */
export function statementError(error: unknown, isLost: boolean): Error {
  if (error instanceof StoreUnavailableError) return error;
  return isLost || isTimeout(error) || OUTAGES.test(codeOf(error))
    ? new StoreUnavailableError(oneLine(error as DriverError), { cause: error })
    : (error as Error);
}

/** Whether a statement was ended because it took too long, judged by the error that the store throws. */
export function isTooSlow(error: unknown): boolean {
  const { cause } = error as Error;
  return cause !== undefined && (isTimeout(cause) || codeOf(cause) === QUERY_CANCELED);
}

/** The driver's own timeout, which has no code. */
function isTimeout(error: unknown): boolean {
  return (error as Error).message === 'Query read timeout';
}

/** The first line only: libraries append whole stacks. If several addresses were tried, each has its own error. */
function oneLine({ message, errors }: DriverError): string {
  const lines = errors?.length ? errors.map((one) => one.message) : [message];
  return [...new Set(lines.map((text) => text.split('\n', 1)[0]!.trim()))].join(', ');
}
