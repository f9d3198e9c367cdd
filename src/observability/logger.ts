import { isatty } from 'node:tty';
import { type DestinationStream, type Logger, pino } from 'pino';
import { escapeControls } from './escape-controls.ts';
import { StandardOutput } from './standard-output.ts';

export type { Logger } from 'pino';

interface LoggerOptions {
  level: string;
  /** `text` is for people; `json` is one object per line. */
  format: 'json' | 'text';
}

interface Output {
  write(text: string): void;
  /** Of streams, there is nothing to be done at the end of the process. */
  flush?(): void;
}

interface LoggerSettings {
  LOG_LEVEL: string;
  LOG_FORMAT: 'auto' | 'json' | 'text';
  NODE_ENV: string;
}

/**
 * Logs to standard output, or to `destination`, without blocking the caller. Payloads and secrets are never passed to
 * it. In text format, control characters are escaped.
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
  const onDropped = (lines: number) =>
    logger.warn({ lines }, 'Lines of this log were dropped: whatever reads it was too slow');
  const output: Output = destination ?? new StandardOutput({ onDropped });
  const logger = format === 'json' ? pino(base, output) : await readableLogger(base, output);
  return logger;
}

async function readableLogger(base: pino.LoggerOptions, output: Output): Promise<Logger> {
  const { prettyFactory } = await import('pino-pretty');
  // Producers choose ids and messages: none of those may move the cursor or start a line.
  const readable = {
    ...base,
    serializers: { err: (error: Error) => escapeTexts(describeError(error)) },
    formatters: { log: escapeTexts },
  };
  const toText = prettyFactory({
    translateTime: 'HH:MM:ss.l',
    singleLine: true,
    messageFormat: (log, messageKey) => escapeControls(String(log[messageKey] ?? '')),
  });
  return pino(readable, {
    write: (line: string) => output.write(toText(line)),
    flush: () => output.flush?.(),
  } as DestinationStream);
}

/** The logger for these settings; `auto` means text on a terminal and in development. */
export function configuredLogger({ LOG_LEVEL, LOG_FORMAT, NODE_ENV }: LoggerSettings): Promise<Logger> {
  const isForPeople = isatty(1) || NODE_ENV === 'development';
  const format = LOG_FORMAT === 'auto' ? (isForPeople ? 'text' : 'json') : LOG_FORMAT;
  return createLogger({ level: LOG_LEVEL, format });
}

/**
 * Escapes the strings in a log line's fields, at any depth. The serializer handles errors; stacks keep their line
 * breaks.
 */
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

/** Stack lines are indented, so they cannot pass for log lines. */
function escapeLines(stack: string): string {
  return stack.split('\n').map(escapeControls).join('\n    ');
}

/**
 * An error as one readable line: the operation and the distinct root causes. Clients nest every attempt at every
 * address, which takes kilobytes per line in an outage. Only errors without a code are assumed to be our bugs, and keep
 * their stack.
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
