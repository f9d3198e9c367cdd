import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export interface LoggerOptions {
  level: string;
  /** `text` is for people, `json` one object a line. */
  format: 'json' | 'text';
}

/** Logs to standard output without holding up the caller. Neither payloads nor secrets are ever passed to it. */
export async function createLogger({ level, format }: LoggerOptions): Promise<Logger> {
  const base = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
  };
  if (format === 'json') return pino(base, pino.destination({ dest: 1, sync: false }));
  const { PinoPretty } = await import('pino-pretty');
  return pino(base, PinoPretty({ translateTime: 'HH:MM:ss.l', singleLine: true }));
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
