const MAX_LENGTH = 300;
/** Most distinct causes to name; an outage of many brokers has as many causes. */
const MAX_CAUSES = 3;
/** Hides directories of this machine but keeps file names. */
const FOLDERS = /(?<=^|[\s'"(=])(?:file:\/\/)?(?:[A-Za-z]:)?[\\/](?:[^\s'":()\\/]+[\\/])+/g;

/** The error and everything it contains, outermost first: its causes, and each member of an AggregateError. */
export function* errorsIn(error: unknown, seen = new Set<unknown>()): Generator<Error> {
  if (!(error instanceof Error) || seen.has(error)) return;
  seen.add(error);
  yield error;
  for (const inner of innerErrors(error)) yield* errorsIn(inner, seen);
}

/**
 * Describes what failed and why in one line of at most 300 characters: the operation, then the innermost causes.
 * `Cannot connect to any broker: connect ECONNREFUSED 10.0.0.5:9092`. Contains no stack traces and no directories.
 */
export function describeCause(error: unknown): string {
  if (!(error instanceof Error)) return shorten(toLine(String(error)));
  const outermost = messageOf(error);
  const causes = [...new Set(rootCauses(error, new Set()))].filter((cause) => !outermost.includes(cause));
  const named = causes.slice(0, MAX_CAUSES).join('; ');
  return shorten([outermost, named].filter((part) => part !== '').join(': ')) || error.name;
}

/** Messages of the errors that have no further cause. */
function rootCauses(error: Error, seen: Set<unknown>): string[] {
  if (seen.has(error)) return [];
  seen.add(error);
  const inner = innerErrors(error).flatMap((cause) => rootCauses(cause, seen));
  const own = messageOf(error);
  return inner.length > 0 || own === '' ? inner : [own];
}

function innerErrors(error: Error): Error[] {
  const several = 'errors' in error && Array.isArray(error.errors) ? error.errors : [];
  return [error.cause, ...several].filter((inner) => inner instanceof Error);
}

/** Includes the broker's own message if Kafka's error has one: it says more than the code. */
function messageOf(error: Error): string {
  const { serverErrorMessage: detail, code } = error as { serverErrorMessage?: unknown; code?: unknown };
  const message = toLine(error.message) || (typeof code === 'string' ? code : '');
  const words = typeof detail === 'string' ? toLine(detail) : '';
  return words === '' || message.includes(words) ? message : `${message} (${words})`;
}

/** The first line only: the rest is a stack trace or a statement. */
function toLine(text: string): string {
  const line = text.trim().split('\n', 1)[0]!;
  return line.replace(FOLDERS, '').trim().replace(/\.$/, '');
}

function shorten(text: string): string {
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH - 1)}…`;
}
