import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';
import { escapeControls } from './escape-controls.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  level: string;
  /** `text` is for people, `json` one object a line. */
  format: 'json' | 'text';
}

interface LoggerSettings {
  LOG_LEVEL: string;
  LOG_FORMAT: 'auto' | 'json' | 'text';
  NODE_ENV: string;
}

/**
 * Logs to standard output, or to `destination`, without holding up the caller. Neither payloads nor secrets are ever
 * passed to it. As text, control characters are escaped.
 */
export async function createLogger(
  { level, format }: LoggerOptions,
  destination?: NodeJS.WritableStream,
): Promise<Logger> {
  const base = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
  };
  if (format === 'json') return pino(base, destination ?? pino.destination({ dest: 1, sync: false }));
  const { PinoPretty } = await import('pino-pretty');
  // Producers of records choose what is in ids and messages: none of it may move a cursor or begin a line.
  const readable = {
    ...base,
    serializers: { err: (error: Error) => escapeTexts(describeError(error)) },
    formatters: { log: escapeTexts },
  };
  const pretty = PinoPretty({
    translateTime: 'HH:MM:ss.l',
    singleLine: true,
    messageFormat: (log, messageKey) => escapeControls(String(log[messageKey] ?? '')),
    ...(destination && { destination }),
  });
  return pino(readable, pretty);
}

/** The logger that the settings describe; `auto` is text on a terminal and in development. */
export function configuredLogger({ LOG_LEVEL, LOG_FORMAT, NODE_ENV }: LoggerSettings): Promise<Logger> {
  const isForPeople = isatty(1) || NODE_ENV === 'development';
  const format = LOG_FORMAT === 'auto' ? (isForPeople ? 'text' : 'json') : LOG_FORMAT;
  return createLogger({ level: LOG_LEVEL, format });
}

/** The texts in what goes beside a message, at any depth. Errors are left to their serializer; stacks keep their lines. */
function escapeTexts(entry: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(entry).map(([name, value]) => [
      name,
      name === 'stack' ? escapeLines(String(value)) : escapeText(value),
    ]),
  );
}

function escapeText(value: unknown): unknown {
  if (typeof value === 'string') return escapeControls(value);
  if (Array.isArray(value)) return value.map(escapeText);
  const isPlain = typeof value === 'object' && value !== null && !(value instanceof Error);
  return isPlain ? escapeTexts(value as Record<string, unknown>) : value;
}

/** Lines of a stack are indented, and so cannot pass for lines of the log. */
function escapeLines(stack: string): string {
  return stack.split('\n').map(escapeControls).join('\n    ');
}

/**
 * An error as one readable line's worth: what failed and the distinct reasons at the bottom of it. Clients nest
 * every try of every address, which is kilobytes a line in an outage. Only errors without a code are bugs of ours
 * until shown otherwise, and keep their stack.
 */
export function describeError(error: Error & { code?: unknown }): Record<string, unknown> {
  const reasons = [...new Set(rootCauses(error).map((cause) => cause.message))].filter(
    (text) => text !== error.message,
  );
  return {
    message: error.message,
    ...(error.code === undefined ? { stack: error.stack } : { code: error.code }),
    ...(reasons.length > 0 ? { reasons: reasons.slice(0, 5) } : {}),
  };
}

function rootCauses(error: Error): Error[] {
  const inner = [...((error as AggregateError).errors ?? []), error.cause].filter(
    (cause) => cause instanceof Error,
  );
  return inner.length === 0 ? [error] : inner.flatMap(rootCauses);
}
